"""Rows that launchers lock."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.due import HOURLY, schedule
from taskadmin.models import Task, TaskSchedule
from taskadmin.store.database.clock import now
from taskadmin.store.runs.due_rows import lock_due_schedules, lock_tasks
from taskadmin.store.tasks import tasks


@pytest.mark.databases("postgresql")
def test_launchers_share_the_due_rows(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """Rows locked by one are skipped by others without waiting."""
    for _ in range(5):
        schedule(session, make_task(), HOURLY)
    moment = now(session)
    first = lock_due_schedules(session, moment, limit=3)
    with Session(engine) as other:
        second = lock_due_schedules(other, moment, limit=3)
    assert (len(first), len(second)) == (3, 2)
    assert {row.task_id for row in first}.isdisjoint(row.task_id for row in second)


def test_rows_are_those_of_the_models(session: Session, make_task: MakeTask) -> None:
    """Without deleted tasks."""
    kept, gone = make_task(None, 1, 2), make_task()
    schedule(session, kept, HOURLY)
    tasks.delete_tasks(session, [gone.id])
    [due] = lock_due_schedules(session, now(session), limit=9)
    row = session.scalars(select(TaskSchedule)).one()
    assert (due.task_id, due.every_seconds, due.next_due) == (kept.id, 3600, row.next_due)
    [found] = lock_tasks(session, [kept.id, gone.id]).values()
    task = session.get_one(Task, kept.id)
    assert (found.id, found.arguments, found.masked) == (task.id, task.arguments, task.masked)
