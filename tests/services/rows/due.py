"""Due tasks with their own schedules, and their launches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from taskadmin.jobs import all_jobs
from taskadmin.models import Task, TaskResult, TaskSchedule
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.launches.due import DueLaunch, launch_due
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


HOURLY = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600)


def schedule(session: Session, task: Task, wanted: ScheduleInput = HOURLY, **columns: Any) -> None:
    """Give the task a schedule that was due a second ago, unless *columns* override it.

    Intervals start at that second, because one that ends at a full minute or hour might end before
    the launch.
    """
    with ledger_transaction(session):
        moment = now(session)
        if wanted.kind is ScheduleKind.INTERVAL and wanted.starts_at is None:
            assert wanted.every_seconds is not None
            first = moment - timedelta(seconds=1 + 10_000 * wanted.every_seconds)
            wanted = replace(wanted, starts_at=first)
        put_schedule(session, task.id, wanted, moment=moment, slot_interval_seconds=300)
        values = {"next_due": moment - timedelta(seconds=1)} | columns
        session.execute(
            update(TaskSchedule).where(TaskSchedule.task_id == task.id).values(**values)
        )


def launch(session: Session, *, since: datetime = LONG_AGO, limit: int = 500) -> DueLaunch | None:
    return launch_due(
        session,
        owner=uuid4(),
        jobs=all_jobs(),
        since=since,
        slot_interval_seconds=300,
        ownership=timedelta(seconds=60),
        limit=limit,
    )


def row(session: Session, task: Task) -> TaskSchedule:
    return session.get_one(TaskSchedule, task.id, populate_existing=True)


def runs(session: Session, task: Task) -> list[TaskResult]:
    return list(
        session.scalars(
            select(TaskResult)
            .where(TaskResult.task_id == task.id)
            .order_by(TaskResult.due_at)
            .execution_options(populate_existing=True)
        )
    )
