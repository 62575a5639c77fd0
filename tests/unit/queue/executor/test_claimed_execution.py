"""Execution of runs whose start is recorded, without a worker."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded, WorkerShutdown
from sqlalchemy import text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows, delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.jobs import all_jobs
from taskadmin.models import Process, ProcessEnd, RunState, Task, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.store.upkeep import processes


def receive(
    session: Session, ids: list[int], heartbeat: StubHeartbeat | None = None, **options: Any
) -> int:
    """Deliver a message of these runs to a worker."""
    return execute(session, delivery(session, ids, DUE, heartbeat=heartbeat, **options))


def test_the_run_is_running_while_its_job_runs(
    session: Session, heartbeat: StubHeartbeat, queue_runs: QueueRuns, rows: Rows
) -> None:
    """Pages show it, and other deliveries leave it alone."""
    seen: list[Any] = []

    def look() -> str:
        [run] = rows()
        seen.append((run.state, run.attempts, run.process_id == heartbeat.id))
        seen.append(receive(session, ids, redelivered=True))
        return "done"

    ids = queue_runs(look)

    assert receive(session, ids, heartbeat) == 1

    assert seen == [(RunState.RUNNING, 1, True), 0]
    [run] = rows()
    assert (run.state, run.output, run.attempts) == (RunState.SUCCEEDED, "done", 1)


@pytest.mark.parametrize(
    ("before", "redelivered"),
    [
        ({}, True),
        ({"token": uuid4()}, False),
        ({"publishes": 1}, False),
        ({"attempts": 1, "token": uuid4()}, False),
    ],
    ids=["redelivered", "somebody had it", "sent again", "tried"],
)
@pytest.mark.parametrize("number", [1, 2])
def test_runs_that_another_worker_may_have_are_always_claimed(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    before: dict[str, Any],
    redelivered: bool,
    number: int,
) -> None:
    """Its first worker may have died of it, or may still return a result."""
    seen: list[RunState] = []

    def look(number: int) -> None:
        seen.append(rows()[number].state)

    ids = queue_runs(look, number, record_start=False)
    if before:
        session.execute(update(TaskResult).values(**before))
        session.commit()

    assert receive(session, ids, heartbeat, redelivered=redelivered) == number

    assert seen == [RunState.RUNNING] * number
    assert {run.attempts for run in rows()} == {before.get("attempts", 0) + 1}


@pytest.mark.parametrize("record_start", [True, False])
def test_a_failed_attempt_is_tried_again_later(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    record_start: bool,
) -> None:
    """By the job's policy; the last error is the run's. Unclaimed runs count attempts, too."""
    ids = queue_runs(lambda: 1 / 0, max_attempts=2, backoff_seconds=60, record_start=record_start)

    receive(session, ids, heartbeat)
    [run] = rows()
    assert (run.state, run.attempts, run.error_type) == (RunState.QUEUED, 1, None)
    assert run.not_before is not None and run.started_at is not None
    assert 59 < (run.not_before - run.started_at).total_seconds() < 75
    assert (heartbeat.id is not None) == record_start

    session.execute(update(TaskResult).values(not_before=None))
    session.commit()
    receive(session, ids, heartbeat)
    [run] = rows()
    assert (run.state, run.attempts, run.error_type) == (RunState.FAILED, 2, "ZeroDivisionError")
    assert [entry["attempt"] for entry in run.attempt_log or ()] == [1, 2]


def test_the_wait_doubles_with_each_attempt_up_to_an_hour() -> None:
    """10 s, 20 s, 40 s …"""
    a_job = dataclasses.replace(all_jobs()["generate_random_number"], backoff_seconds=10.0)
    waits = [a_job.delay_after(attempt) for attempt in (1, 2, 3, 9, 10, 1000)]
    assert waits == [10.0, 20.0, 40.0, 2560.0, 3600.0, 3600.0]


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), SoftTimeLimitExceeded()])
def test_whatever_a_job_raises_is_its_runs_error(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    error: BaseException,
) -> None:
    """The worker continues."""

    def fail() -> None:
        raise error

    receive(session, queue_runs(fail), heartbeat)
    [run] = rows()
    assert run.state == RunState.FAILED
    assert (run.error_type or "").endswith(type(error).__name__)
    assert heartbeat.given_back == []


@pytest.mark.parametrize(
    ("error", "found"),
    [
        # Another worker gets it, and the attempt doesn't count.
        (WorkerShutdown(0), (RunState.QUEUED, 0, True, True)),
        # Like billiard's SIGTERM handler: only the parent knows why it terminates a child.
        (SystemExit(-241), (RunState.RUNNING, 1, False, False)),
    ],
)
def test_a_worker_that_is_stopped_inside_a_job_lets_its_run_go(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    error: BaseException,
    found: tuple[object, ...],
) -> None:
    """The run doesn't fail; a child leaves it to its parent."""

    def stop() -> None:
        raise error

    with pytest.raises(type(error)):
        receive(session, queue_runs(stop), heartbeat)
    [run] = rows()
    given_back = heartbeat.given_back == [(run.id, None)]
    assert (run.state, run.attempts, run.not_before is not None, given_back) == found


def test_a_process_that_was_taken_for_gone_claims_under_its_new_id(
    session: Session, heartbeat: StubHeartbeat, queue_runs: QueueRuns, rows: Rows
) -> None:
    """It was stopped for longer than the lease, and continues."""
    ids = queue_runs(lambda: 1)
    old = heartbeat.process_id()
    processes.mark_gone(session, old, ProcessEnd.LOST, "silent")
    assert receive(session, ids, heartbeat) == 1
    assert heartbeat.id != old
    assert session.query(Process).count() == 2
    assert rows()[0].state == RunState.SUCCEEDED


@pytest.mark.parametrize("record_start", [True, False])
@pytest.mark.parametrize("number", [1, 2])
def test_no_transaction_is_open_while_the_job_runs(
    session: Session, queue_runs: QueueRuns, record_start: bool, number: int
) -> None:
    """A long job must not hold a snapshot or locks."""
    seen: list[bool] = []

    def look() -> None:
        seen.append(session.in_transaction())

    receive(session, queue_runs(look, number, record_start=record_start))

    assert seen == [False] * number


@pytest.mark.parametrize("record_start", [True, False])
def test_a_jobs_pending_changes_are_not_committed_with_its_outcome(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """The ledger uses the host's session, so a failed job's changes must be rolled back."""

    def half() -> None:
        session.execute(update(Task).values(name="half-done"))
        raise ValueError("and then")

    receive(session, queue_runs(half, record_start=record_start))
    assert rows()[0].state == RunState.FAILED
    assert session.query(Task.name).scalar() is None


@pytest.mark.parametrize("record_start", [True, False])
def test_an_error_of_the_database_that_the_job_caught_does_not_take_its_result(
    session: Session, queue_runs: QueueRuns, rows: Rows, record_start: bool
) -> None:
    """On PostgreSQL, it leaves the transaction unusable."""

    def catches() -> int:
        with contextlib.suppress(SQLAlchemyError):
            session.execute(text("SELECT nothing FROM nowhere"))
        return 7

    receive(session, queue_runs(catches, record_start=record_start))
    assert rows()[0].result == 7


def test_a_token_is_made_for_each_delivery(
    session: Session, heartbeat: StubHeartbeat, queue_runs: QueueRuns, rows: Rows
) -> None:
    """To count attempts, since Celery's task id is the same for all redeliveries."""
    tokens: list[UUID | None] = []

    def note() -> None:
        tokens.append(rows()[0].token)
        raise ValueError("again")

    ids = queue_runs(note, max_attempts=2, backoff_seconds=0.0)
    for _ in range(2):
        session.execute(update(TaskResult).values(not_before=None))
        session.commit()
        receive(session, ids, heartbeat)
    assert len(set(tokens)) == 2
