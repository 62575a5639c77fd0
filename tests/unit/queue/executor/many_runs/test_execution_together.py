"""Several runs of one message: executed independently, recorded together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.ledger.deliveries import QueueRuns, Rows, Sent, delivery
from services.rows.runs import DUE
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor import execution
from taskadmin.queue.executor.execution import execute
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.upkeep import recovery

SUCCEEDED, FAILED, CANCELLED = RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED
QUEUED = RunState.QUEUED


def receive(session: Session, ids: Sequence[int], **options: Any) -> int:
    """Deliver a message of these runs to a worker."""
    return execute(session, delivery(session, ids, options.pop("due_at", DUE), **options))


def cancel(session: Session, ids: Sequence[int]) -> None:
    """Cancel a run as a user does."""
    session.execute(
        update(TaskResult)
        .where(TaskResult.id.in_(ids))
        .values(state=CANCELLED, finished_at=datetime.now(UTC), process_id=None)
    )
    session.commit()


def identity(number: int) -> int:
    """Return the argument."""
    return number


def test_each_run_has_its_own_result(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """With its times, worker and attempt."""
    assert receive(session, queue_runs(identity, 6, record_start=record_start)) == 6

    for number, run in enumerate(rows()):
        assert (run.state, run.result, run.output) == (SUCCEEDED, number, None)
        assert (run.worker, run.attempts, run.attempt_log) == ("w1@host", 1, None)
        assert run.process_id is None
        assert run.started_at is not None and run.finished_at is not None
        assert run.queued_at <= run.finished_at
        assert timedelta() <= run.finished_at - run.started_at < timedelta(seconds=5)


def test_values_that_are_no_numbers_are_kept(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """JSON and numbers are recorded in the same statement."""
    values = iter([{"a": 1}, 2.5, "text", None, [1], True])

    receive(session, queue_runs(lambda: next(values), 6, record_start=record_start))

    assert [(run.result, run.output) for run in rows()] == [
        *((None, {"a": 1}), (2.5, None), (None, "text"), (None, None), (None, [1]), (None, True))
    ]
    assert {run.state for run in rows()} == {SUCCEEDED}


class Celsius(float):
    """A number with its own text, like NumPy's."""

    def __repr__(self) -> str:
        return f"Celsius({float(self)})"


@pytest.mark.databases("postgresql")
def test_numbers_that_write_themselves_otherwise_are_numbers(
    session: Session, queue_runs: QueueRuns, rows: Rows, count_queries: CountQueries
) -> None:
    """They are recorded together with others."""
    values = iter([HTTPStatus.NOT_FOUND, Celsius(21.5), -3, 1e300, 0.1, 2**70])
    ids = queue_runs(lambda: next(values), 6, record_start=False)

    with count_queries() as statements:
        receive(session, ids)

    assert len(statements) <= 6
    assert [run.result for run in rows()] == [404.0, 21.5, -3.0, 1e300, 0.1, 2.0**70]


def test_one_that_fails_fails_alone(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """With its traceback; runs with a retry policy are queued again."""

    def fail(number: int) -> int:
        if number == 2:
            raise ValueError("not this one")
        return number

    receive(session, queue_runs(fail, 4, record_start=record_start))
    assert [run.state for run in rows()] == [SUCCEEDED, SUCCEEDED, FAILED, SUCCEEDED]
    failed = rows()[2]
    assert (failed.error_type, failed.attempts) == ("ValueError", 1)
    assert "not this one" in (failed.error or "")

    ids = queue_runs(fail, 4, record_start=record_start, max_attempts=2, backoff_seconds=60)
    receive(session, ids)
    assert [run.state for run in rows(ids)] == [SUCCEEDED, SUCCEEDED, QUEUED, SUCCEEDED]
    waiting = rows(ids)[2]
    assert (waiting.attempts, waiting.error_type) == (1, None)
    assert waiting.not_before is not None and waiting.started_at is not None
    assert 59 < (waiting.not_before - waiting.started_at).total_seconds() < 75
    assert [entry["error_type"] for entry in waiting.attempt_log or ()] == ["ValueError"]


def test_others_are_left_alone(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """Cancelled, deleted and finished runs, and other runs with the same id."""
    ids = queue_runs(identity, 6, record_start=record_start)
    cancel(session, ids[:1])
    session.execute(delete(TaskResult).where(TaskResult.id == ids[1]))
    session.commit()

    assert receive(session, ids[:3]) == 1
    assert receive(session, ids[:3], worker="late") == 0
    assert receive(session, ids[3:], due_at=DUE + timedelta(seconds=1)) == 0

    assert [run.state for run in rows()] == [CANCELLED, SUCCEEDED, *[QUEUED] * 3]
    assert rows()[1].worker == "w1@host"


def test_one_that_was_cancelled_meanwhile_stays_so(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool, take_no_time: None
) -> None:
    """Its result comes too late; the others' are recorded."""

    ids: list[int] = []

    def end_the_first(number: int) -> int:
        if number == 1:
            cancel(session, ids[:1])
        return number

    ids += queue_runs(end_the_first, 3, record_start=record_start)
    assert receive(session, ids) == 2

    assert [run.state for run in rows()] == [CANCELLED, SUCCEEDED, SUCCEEDED]


def test_a_run_that_was_sent_twice_is_executed_once(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """A launcher that died before saving its cursor has sent it twice in a row."""
    called: list[int] = []

    def note(number: int) -> None:
        called.append(number)

    ids = queue_runs(note, 6, record_start=record_start)
    assert receive(session, [*ids[:4], *ids]) == 6

    assert called == [0, 1, 2, 3, 4, 5]
    assert {(run.state, run.attempts) for run in rows()} == {(SUCCEEDED, 1)}


def test_an_outcome_that_can_not_be_stored_harms_no_other(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """PostgreSQL refuses lone surrogates; the other results are recorded."""
    values = iter(["fine", "\ud800", "fine"])

    receive(session, queue_runs(lambda: next(values), 3, record_start=record_start))

    first, second, third = rows()
    assert (first.output, third.output) == ("fine", "fine")
    assert (second.state, second.error_type) == (FAILED, "UnstorableResult")


def test_a_refused_statement_is_tried_run_by_run(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """Whatever the database's error."""
    original = transitions.finish

    def refuse(session: Session, done: Sequence[FinishedRun], token: UUID) -> set[int]:
        if len(done) > 1:
            raise DataError("UPDATE", {}, ValueError("no"))
        return original(session, done, token)

    monkeypatch.setattr(transitions, "finish", refuse)
    receive(session, queue_runs(identity, 6, record_start=record_start))

    assert {(run.state, run.attempts) for run in rows()} == {(SUCCEEDED, 1)}


def test_unexpected_errors_do_not_strand_the_runs(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
    take_no_time: None,
) -> None:
    """Unrecorded runs are sent again, each alone; recorded ones stay recorded."""
    original, calls = transitions.finish, []
    monkeypatch.setattr(execution, "_MAX_TAKEN", 2)

    def stumble(*arguments: Any) -> set[int]:
        calls.append(1)
        if len(calls) == 2:
            raise TypeError("nobody thought of that")
        return original(*arguments)

    monkeypatch.setattr(transitions, "finish", stumble)
    ids, sent = queue_runs(identity, 6, record_start=record_start), Sent()
    assert receive(session, ids, send=sent) == 2

    assert [run.state for run in rows()] == [SUCCEEDED] * 2 + [QUEUED] * 4
    assert (sent.runs, sent.alone) == (ids[2:], [True])
    assert [run.id for run in recovery.waiting_runs(session)] == ids[2:]
    assert {(run.attempts, run.token, run.process_id) for run in rows(ids[2:])} == {(0, None, None)}
