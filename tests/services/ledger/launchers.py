"""Run the steps of a launch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, TaskResult
from taskadmin.store.launches import launches, slots
from taskadmin.store.launches.launches import QueuedPage

#: Longer than any test, so that a test stays inside one slot.
DAY = 86400.0


def open_and_take(session: Session, owner: UUID) -> int:
    """Open the slot's launch for this launcher, and return its id."""
    launch_id = slots.open_slot(session, DAY)
    assert launch_id is not None
    assert launches.take(session, launch_id, owner)
    return launch_id


def queue_page(session: Session, launch_id: int, owner: UUID, page_size: int = 100) -> QueuedPage:
    """Queue runs of the next tasks, of all known jobs."""
    return launches.queue_page(session, launch_id, owner, page_size=page_size, jobs=all_jobs())


def started_tasks(session: Session) -> list[int]:
    """Return the tasks of all runs, in the order of the runs."""
    return list(session.scalars(select(TaskResult.task_id).order_by(TaskResult.id)))


def let_ownership_pass(session: Session, launch_id: int) -> None:
    """Let the launcher's ownership expire."""
    session.execute(
        update(Launch)
        .where(Launch.id == launch_id)
        .values(owner_until=datetime.now(UTC) - timedelta(seconds=1))
    )
    session.commit()
