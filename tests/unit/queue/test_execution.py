"""What a worker does with a message, without a worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from taskadmin.jobs import all_jobs, registry
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.queue.execution import Delivery, execute
from taskadmin.store.results import insert_runs
from taskadmin.store.transaction import ledger_transaction

DUE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(session: Session, make_task: Callable[..., Task]) -> TaskResult:
    """A queued run of a task that draws from 5 to 6."""
    task = make_task(None, 5.0, 6.0)
    with ledger_transaction(session):
        insert_runs(session, [task], launch_id=1, due_at=DUE, jobs=all_jobs())
    return session.query(TaskResult).one()


def no_heartbeat() -> Any:
    """A run that is executed unclaimed needs no process."""
    raise AssertionError


def delivery(run_id: int, due_at: datetime, *, worker: str) -> Delivery:
    """A message that arrives for the first time."""
    return Delivery(run_id, due_at, worker, redelivered=False, heartbeat=no_heartbeat)


def reload(session: Session, run: TaskResult) -> TaskResult:
    """The run as the database has it now."""
    session.expire_all()
    found = session.get(TaskResult, run.id)
    assert found is not None
    return found


def test_a_run_is_completed_with_a_number_from_its_range(session: Session, run: TaskResult) -> None:
    """State, result, times and worker are recorded."""
    assert execute(session, delivery(run.id, DUE, worker="w1")) is True

    done = reload(session, run)
    assert done.state == RunState.SUCCEEDED
    assert done.result is not None and 5 <= done.result <= 6
    assert (done.worker, done.attempts, done.error) == ("w1", 1, None)
    assert done.started_at is not None and done.finished_at is not None
    assert done.queued_at <= done.finished_at
    assert done.started_at <= done.finished_at


def test_a_repeated_message_changes_nothing(session: Session, run: TaskResult) -> None:
    """The second delivery of a message finds the run finished."""
    execute(session, delivery(run.id, DUE, worker="w1"))
    first = reload(session, run).result

    assert execute(session, delivery(run.id, DUE, worker="w2")) is False

    again = reload(session, run)
    assert (again.result, again.worker, again.attempts) == (first, "w1", 1)


def test_a_message_with_another_due_time_means_another_run(
    session: Session, run: TaskResult
) -> None:
    """A reused id alone doesn't complete a stranger's run."""
    assert execute(session, delivery(run.id, DUE + timedelta(seconds=1), worker="w1")) is False

    assert reload(session, run).state == RunState.QUEUED


def test_a_message_of_a_deleted_run_is_dropped(
    session: Session, run: TaskResult, caplog: pytest.LogCaptureFixture
) -> None:
    """A task may be deleted between launch and run."""
    caplog.set_level("INFO")
    run_id = run.id
    session.delete(run)
    session.commit()

    assert execute(session, delivery(run_id, DUE, worker="w1")) is False

    assert f"Run {run_id} is taken, finished or gone; its message is dropped" in caplog.text


def test_a_job_that_raises_fails_its_run_with_the_traceback(
    session: Session, run: TaskResult, caplog: pytest.LogCaptureFixture
) -> None:
    """Arguments that don't fit any more are a failed run, in one line of the log."""
    session.execute(update(TaskResult).values(task_params={"lower_limit": 2, "upper_limit": 1}))
    session.commit()

    assert execute(session, delivery(run.id, DUE, worker="w1")) is True

    failed = reload(session, run)
    assert failed.state == RunState.FAILED
    assert failed.result is None
    assert failed.error_type == "pydantic_core._pydantic_core.ValidationError"
    assert "The upper limit must not be below the lower limit." in (failed.error or "")
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == [
        f"Run {run.id} of task {run.task_id} failed: {failed.error_type}"
    ]


def test_a_job_that_is_gone_fails_its_run(session: Session, run: TaskResult) -> None:
    """A run of a job that this worker doesn't have says which one."""
    session.execute(update(TaskResult).values(job="vanished"))
    session.commit()

    execute(session, delivery(run.id, DUE, worker="w1"))

    failed = reload(session, run)
    assert failed.error_type == "taskadmin.errors.UnknownJob"
    assert "No job is registered under the name vanished." in (failed.error or "")


def test_no_transaction_is_open_while_the_job_runs(
    session: Session, run: TaskResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long job must not hold a snapshot or locks of the database."""
    seen: list[Any] = []

    def look(**_: Any) -> float:
        seen.append(session.in_transaction())
        return 1.0

    job = dataclasses.replace(all_jobs()[run.job], function=look)
    monkeypatch.setitem(registry._jobs, run.job, job)

    execute(session, delivery(run.id, DUE, worker="w1"))

    assert seen == [False]
