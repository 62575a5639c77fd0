"""Runs for tests of the store: queued by its own functions, and read afresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from taskadmin.jobs import all_jobs
from taskadmin.models import Task, TaskResult
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
