"""Execution of a single run whose start isn't recorded, without a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.deliveries import Rows, delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE, queue
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor.execution import execute


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run of a task that draws from 5 to 6."""
    return queue(session, make_task(None, 5.0, 6.0).id)


@pytest.fixture
def receive(
    session: Session, run_id: int, heartbeat: StubHeartbeat
) -> Iterator[Callable[..., int]]:
    """Deliver the run's message; unclaimed runs need no process."""

    def execute_it(**options: Any) -> int:
        options = {"worker": "w1", "due_at": DUE, "heartbeat": heartbeat, **options}
        return execute(session, delivery(session, [run_id], **options))

    yield execute_it
    assert heartbeat.id is None


def test_a_run_is_completed_with_a_number_from_its_range(
    receive: Callable[..., int], rows: Rows
) -> None:
    """Its state, result, times and worker are recorded."""
    assert receive() == 1

    [done] = rows()
    assert done.state == RunState.SUCCEEDED
    assert done.result is not None and 5 <= done.result <= 6
    assert (done.worker, done.attempts, done.error) == ("w1", 1, None)
    assert done.started_at is not None and done.finished_at is not None
    assert done.queued_at <= done.finished_at
    assert done.started_at <= done.finished_at


def test_a_repeated_message_changes_nothing(receive: Callable[..., int], rows: Rows) -> None:
    """The second delivery of a message finds the run finished."""
    receive()
    [first] = rows()

    assert receive(worker="w2") == 0

    [again] = rows()
    assert (again.result, again.worker, again.attempts) == (first.result, "w1", 1)


def test_a_message_with_another_due_time_means_another_run(
    receive: Callable[..., int], rows: Rows
) -> None:
    """A reused id alone doesn't match another run."""
    assert receive(due_at=DUE + timedelta(seconds=1)) == 0

    assert rows()[0].state == RunState.QUEUED


def test_a_message_of_a_deleted_run_is_dropped(
    session: Session,
    receive: Callable[..., int],
    run_id: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task may be deleted between launch and run."""
    caplog.set_level("INFO")
    session.delete(session.get_one(TaskResult, run_id))
    session.commit()

    assert receive() == 0

    assert caplog.messages == [f"run {run_id}: not due yet, claimed, finished or deleted; dropped"]


@pytest.mark.parametrize(
    ("change", "error_type", "error"),
    [
        (
            {"task_params": {"lower_limit": 2, "upper_limit": 1}},
            "pydantic_core._pydantic_core.ValidationError",
            "The upper limit must not be below the lower limit.",
        ),
        (
            {"job": "vanished"},
            "taskadmin.errors.UnknownJob",
            "No job named vanished is registered.",
        ),
    ],
    ids=["arguments that don't fit any more", "a job that is gone"],
)
def test_jobs_that_cannot_be_called_fail_their_run_with_the_reason(
    session: Session,
    receive: Callable[..., int],
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    error_type: str,
    error: str,
) -> None:
    """In one line of the log."""
    session.execute(update(TaskResult).values(max_attempts=3, **change))
    session.commit()

    assert receive() == 1

    [failed] = rows()
    assert (failed.state, failed.result) == (RunState.FAILED, None)
    assert failed.error_type == error_type
    assert error in (failed.error or "")
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"Run {failed.id} of task {failed.task_id} failed: {error_type}"]
