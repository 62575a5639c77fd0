"""Attempts of a run: their start, log and maximum."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from services.rows.runs import DONE, DUE, FAILED, claim, row, set_columns, unclaimed
from taskadmin.models import ProcessEnd, RunState, TaskResult
from taskadmin.store.database.clock import now
from taskadmin.store.runs import transitions
from taskadmin.store.runs.attempt_log import LOG_ERROR_LENGTH, LOG_LENGTH
from taskadmin.store.runs.outcome import Outcome
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.upkeep import processes, recovery

MINE = UUID(int=1)


def test_a_run_that_waited_for_others_began_when_its_job_was_called(
    session: Session, run_ids: list[int], process_id: UUID
) -> None:
    """Runs are claimed together; row and log have the same start."""
    set_columns(session, run_ids[0], attempt_log=[{"attempt": 1}], attempts=1)
    runs = claim(session, *run_ids, process_id=process_id, token=MINE)
    session.execute(update(TaskResult).values(started_at=DUE))
    session.commit()
    runs = [run._replace(started_at=DUE) for run in runs]
    transitions.finish(session, [FinishedRun(run, DONE) for run in runs], MINE)
    for run_id in run_ids:
        run = row(session, run_id)
        assert run.finished_at is not None
        assert run.started_at == run.finished_at - DONE.elapsed
    log = row(session, run_ids[0]).attempt_log
    assert log is not None
    began = datetime.fromisoformat(log[1]["ended_at"]) - DONE.elapsed
    assert (log[0], log[1]["started_at"]) == ({"attempt": 1}, began.isoformat())


def test_a_run_is_claimed_after_its_first_failure(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """The failure was its first attempt, and the log has both."""
    transitions.finish(session, [FinishedRun(unclaimed(run_id), FAILED, timedelta())], uuid4())
    (run,) = claim(session, run_id, process_id=process_id, token=MINE)
    assert run.attempts == 2
    transitions.finish(session, [FinishedRun(run, DONE)], MINE)
    log = row(session, run_id).attempt_log
    assert log is not None
    assert [(entry["attempt"], entry["error_type"]) for entry in log] == [
        (1, "ValueError"),
        (2, None),
    ]


def test_a_late_result_is_that_of_its_attempt(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """The run was released without counting an attempt, and not claimed since."""
    set_columns(session, run_id, attempts=1, attempt_log=[{"attempt": 1}])
    (run,) = claim(session, run_id, process_id=process_id, token=MINE)
    processes.mark_gone(session, process_id, ProcessEnd.STOPPED, "It was told to stop.")
    recovery.take_back(session, lost_attempts=3)
    assert row(session, run_id).attempts == 1
    assert transitions.finish(session, [FinishedRun(run, DONE)], MINE) == {run_id}
    late = row(session, run_id)
    assert late.attempt_log is not None
    assert [entry["attempt"] for entry in late.attempt_log] == [1, 2]
    assert (late.state, late.attempts, late.not_before) == (RunState.SUCCEEDED, 2, None)


def test_the_log_of_attempts_is_bounded(session: Session, run_id: int, process_id: UUID) -> None:
    """A run that is retried for weeks doesn't fill its page."""
    long = Outcome(worker="w", elapsed=timedelta(), error_type="E", error="x" * 100_000)
    for _ in range(LOG_LENGTH + 5):
        token = uuid4()
        (run,) = claim(session, run_id, process_id=process_id, token=token)
        transitions.finish(session, [FinishedRun(run, long, timedelta(hours=-1))], token)
    log = row(session, run_id).attempt_log
    assert log is not None
    assert [entry["attempt"] for entry in log] == list(range(6, LOG_LENGTH + 6))
    assert all(len(entry["error"]) <= LOG_ERROR_LENGTH for entry in log)


def test_a_run_that_fails_its_worker_each_time_is_failed(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """After a maximum of attempts, with a growing delay between them."""
    for attempt in (1, 2, 3):
        claim(session, run_id, process_id=process_id, token=MINE)
        given: dict[str, Any] = {"problem": "It broke.", "lost_attempts": 3}
        assert transitions.fail_worker(session, run_id, MINE, **given)
        run = row(session, run_id)
        assert run.attempts == attempt
        if attempt < 3:
            assert run.not_before is not None
            assert run.not_before > now(session)
            set_columns(session, run_id, not_before=DUE, token=uuid4())
    assert (run.state, run.error_type) == (RunState.FAILED, "WorkerFailed")
    assert run.error == "It broke. Attempt 3 of 3: no more retries."
    assert run.attempt_log is not None
    assert [(entry["attempt"], entry["error"]) for entry in run.attempt_log] == [
        (number, "It broke.") for number in (1, 2, 3)
    ]
