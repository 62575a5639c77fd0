"""Runs for tests: queued by the store's own functions, sent to workers, and read afresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.processes import wait_for
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.queue import RUNS_QUEUE
from taskadmin.store import results
from taskadmin.store.outcome import Outcome

DUE = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Outcome(worker="w1@host", elapsed=timedelta(seconds=2), result=0.25)


def queue(session: Session, task_id: int, due_at: datetime = DUE) -> int:
    """Queue and commit a run of launch 5; returns its id."""
    task = session.get_one(Task, task_id)
    results.insert_runs(session, [task], launch_id=5, due_at=due_at, jobs=all_jobs())
    session.commit()
    found = session.scalar(
        select(TaskResult.id).where(TaskResult.task_id == task_id, TaskResult.due_at == due_at)
    )
    assert found is not None
    return found


def row(session: Session, run_id: int) -> TaskResult:
    """The run as the database has it now."""
    return session.get_one(TaskResult, run_id, populate_existing=True)


def send(celery: Celery, run_id: int, **limits: float) -> int:
    """Send the message of a run, with time limits if wanted; returns the run's id."""
    celery.tasks["taskadmin.run"].apply_async(
        (run_id, DUE.isoformat()), queue=RUNS_QUEUE, ignore_result=True, **limits
    )
    return run_id


def wait_until(session: Session, run_id: int, state: RunState) -> None:
    """Wait for the run to be in the state."""

    def is_so() -> bool:
        found = row(session, run_id).state
        session.rollback()
        return found == state

    wait_for(is_so, what=f"run {run_id} being {state}")
