"""Runs and pauses whose wait is over."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.turns import make_turn
from taskadmin.models import Task, TaskPause
from taskadmin.queue.launcher.steps.resuming import resume
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.people.audit import TASKADMIN
from taskadmin.store.tasks.pauses import pause_tasks


def test_a_pause_ends_when_its_time_is_over(session: Session, make_task: MakeTask) -> None:
    """Pauses without an end stay."""
    until, for_ever = make_task().id, make_task().id
    pause_tasks(session, [until, for_ever], actor=TASKADMIN, note="Later.")
    over = now(session) - timedelta(seconds=1)
    session.execute(update(TaskPause).where(TaskPause.task_id == until).values(resume_at=over))
    session.commit()
    resume(make_turn(session, Settings()))
    session.expire_all()
    assert session.get_one(Task, until).enabled
    assert not session.get_one(Task, for_ever).enabled
