"""Tasks with schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from taskadmin.models import Task, TaskSchedule, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import tasks
from taskadmin.store.tasks.schedules import ScheduleInput, find_schedule, put_schedule

DAILY = ScheduleInput(
    kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", pause_after=3
)


def make(session: Session, author: User, schedule: ScheduleInput = DAILY) -> int:
    """Add a task with its own schedule."""
    task = tasks.create_task(
        session,
        author_id=author.id,
        name="Daily",
        arguments={"lower_limit": 0, "upper_limit": 1},
        schedule=schedule,
        actor=Actor(author.id, author.username, "192.0.2.1"),
    )
    return task.id


def give(session: Session, task: Task, wanted: ScheduleInput, moment: datetime) -> TaskSchedule:
    """Store a schedule for *task*."""
    put_schedule(session, task.id, wanted, moment=moment, slot_interval_seconds=300)
    session.commit()
    row = find_schedule(session, task.id)
    assert row is not None
    return row


def count(session: Session, model: type[Any]) -> int:
    """Return the number of rows."""
    session.expire_all()
    return session.scalar(select(func.count()).select_from(model)) or 0
