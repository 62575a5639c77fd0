"""Executions: runs that are completed without a claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce
from services.runs import DONE, DUE, row
from taskadmin.models import RunState, TaskResult
from taskadmin.store import tasks, unclaimed
from taskadmin.store.outcome import ERROR_MAX_LENGTH, Outcome
from taskadmin.store.unclaimed import OpenRun


def test_a_worker_gets_what_it_needs(session: Session, run_id: int) -> None:
    """Job and arguments come from the row, and no transaction stays open meanwhile."""
    run = unclaimed.open_run(session, run_id, DUE)
    assert run == OpenRun(
        task_id=1,
        launch_id=5,
        job="generate_random_number",
        task_params={"lower_limit": 0.0, "upper_limit": 1.0, "author_id": 1},
        attempts=0,
        publishes=0,
        token=None,
    )
    assert not session.in_transaction()


def test_a_message_for_another_due_time_means_another_run(session: Session, run_id: int) -> None:
    """Ids may come again after a restore: the due time must match too."""
    assert unclaimed.open_run(session, run_id, DUE + timedelta(microseconds=1)) is None
    assert not unclaimed.complete_unclaimed(
        session, run_id, DUE + timedelta(hours=1), uuid4(), DONE
    )
    assert row(session, run_id).state == RunState.QUEUED


def test_a_deleted_run_is_gone(session: Session, run_id: int) -> None:
    """Its task was deleted while the message was under way."""
    tasks.delete_tasks(session, [1])
    assert unclaimed.open_run(session, run_id, DUE) is None
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)


def test_the_outcome_is_recorded(session: Session, run_id: int) -> None:
    """With worker, attempt, and times by the database's clock."""
    assert unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    run = row(session, run_id)
    assert (run.state, run.result, run.output) == (RunState.SUCCEEDED, 0.25, None)
    assert (run.worker, run.attempts) == ("w1@host", 1)
    assert (run.error_type, run.error) == (None, None)
    assert run.finished_at is not None
    assert run.started_at == run.finished_at - timedelta(seconds=2)
    assert abs(datetime.now(UTC) - run.finished_at) < timedelta(seconds=5)


def test_a_finished_run_is_not_run_again(session: Session, run_id: int) -> None:
    """A repeated message finds nothing to do."""
    unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    assert unclaimed.open_run(session, run_id, DUE) is None


def test_the_first_outcome_stays(session: Session, run_id: int) -> None:
    """A second execution of the same run isn't recorded, whatever came of it."""
    unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    late = Outcome(worker="w2", elapsed=timedelta(), error_type="ValueError", error="late")
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), late)
    run = row(session, run_id)
    assert (run.state, run.worker, run.error, run.attempts) == (
        RunState.SUCCEEDED,
        "w1@host",
        None,
        1,
    )


def test_workers_at_once_record_a_run_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Two workers got the same message and finished at the same time."""

    def complete(number: int) -> bool:
        with Session(engine) as own:
            outcome = Outcome(worker=f"w{number}", elapsed=timedelta(), result=float(number))
            return unclaimed.complete_unclaimed(own, run_id, DUE, uuid4(), outcome)

    recorded = at_once(*[lambda n=n: complete(n) for n in range(4)])
    assert sorted(recorded) == [False, False, False, True]
    run = row(session, run_id)
    assert run.worker == f"w{recorded.index(True)}"
    assert run.result == recorded.index(True)


def test_a_cancelled_run_stays_cancelled(session: Session, run_id: int) -> None:
    """A final state never changes."""
    session.execute(update(TaskResult).values(state=RunState.CANCELLED, finished_at=DUE))
    session.commit()
    assert unclaimed.open_run(session, run_id, DUE) is None
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)


@pytest.mark.parametrize(
    "values",
    [{"token": uuid4()}, {"attempts": 1}, {"token": uuid4(), "attempts": 1}],
    ids=["token", "attempt", "both"],
)
def test_a_run_that_somebody_claimed_is_not_recorded_without_the_claim(
    session: Session, run_id: int, values: dict[str, Any]
) -> None:
    """Its outcome is whoever's holds the token."""
    session.execute(update(TaskResult).values(**values))
    session.commit()
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    assert row(session, run_id).state == RunState.QUEUED


def test_a_failure_is_recorded_with_its_error(session: Session, run_id: int) -> None:
    """A failed run has no result."""
    failed = Outcome(
        worker="w", elapsed=timedelta(), error_type="ZeroDivisionError", error="division by zero"
    )
    assert unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), failed)
    run = row(session, run_id)
    assert (run.state, run.result) == (RunState.FAILED, None)
    assert (run.error_type, run.error) == ("ZeroDivisionError", "division by zero")
    assert run.finished_at is not None


def test_a_long_error_is_cut_at_its_beginning(session: Session, run_id: int) -> None:
    """The end of a traceback says what happened; a megabyte of it doesn't fill the table."""
    text = "x" * 1_000_000 + "ValueError: the cause"
    failed = Outcome(worker="w", elapsed=timedelta(), error_type="ValueError", error=text)
    unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), failed)
    error = row(session, run_id).error
    assert error == text[-ERROR_MAX_LENGTH:]


@pytest.mark.parametrize(
    "output", [{"rows": [1, 2], "name": "ünïcode"}, "text", [1, "a"], True, False, {}, ""]
)
def test_an_outcome_that_is_no_number_is_stored_as_json(
    session: Session, run_id: int, output: Any
) -> None:
    """As it was returned."""
    outcome = Outcome(worker="w", elapsed=timedelta(), output=output)
    assert unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), outcome)
    run = row(session, run_id)
    assert (run.output, run.result) == (output, None)


NO_JSON = "The job returned something that can't be stored as a number or as JSON: "


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"result": float("inf")}, "The job returned inf; a number must be finite to be stored."),
        ({"result": float("nan")}, "The job returned nan; a number must be finite to be stored."),
        ({"result": 10**400}, NO_JSON + "int too large to convert to float."),
        ({"output": {1, 2}}, NO_JSON + "Object of type set is not JSON serializable."),
        ({"output": {"x": float("nan")}}, NO_JSON + "Out of range float values are not JSON"),
    ],
    ids=["infinity", "nan", "huge", "set", "nan in json"],
)
def test_a_result_that_can_not_be_stored_fails_the_run(
    session: Session, run_id: int, returned: dict[str, Any], message: str
) -> None:
    """Otherwise the run would stay open for ever, and its message come back again and again."""
    outcome = Outcome(worker="w", elapsed=timedelta(), **returned)
    assert unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), outcome)
    run = row(session, run_id)
    assert (run.state, run.error_type) == (RunState.FAILED, "UnstorableResult")
    assert (run.result, run.output) == (None, None)
    assert run.error is not None
    assert run.error.startswith(message)


@pytest.mark.parametrize(
    ("given", "column", "stored"),
    [
        ({"error_type": "E" * 300}, "error_type", "E" * 200),
        ({"error_type": "E", "error": "a NUL \x00 inside"}, "error", "a NUL \\x00 inside"),
        ({"error_type": "E", "error": "half \ud83d"}, "error", "half \\ud83d"),
        ({"worker": "w" * 300}, "worker", "w" * 200),
        ({"output": "a NUL \x00"}, "output", "a NUL \x00"),
        ({"output": "half \ud83d"}, "output", "half \ud83d"),
    ],
    ids=["long name", "NUL", "surrogate", "long worker", "NUL in json", "surrogate in json"],
)
def test_any_text_can_be_stored(
    session: Session, run_id: int, given: dict[str, Any], column: str, stored: str
) -> None:
    """What a column can't hold is cut or spelt out."""
    outcome = Outcome(**{"worker": "w", "elapsed": timedelta(), **given})
    assert unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), outcome)
    assert getattr(row(session, run_id), column) == stored
