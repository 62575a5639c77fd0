"""Store, change and remove schedules of tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.due import HOURLY, launch, row, schedule
from taskadmin.models import TaskSchedule
from taskadmin.schedules import InvalidSchedule, ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule


def test_a_clock_that_is_set_back_repeats_nothing(session: Session, make_task: MakeTask) -> None:
    """The next due time is always after the last one."""
    task = make_task()
    schedule(session, task)
    launch(session)
    later = now(session) + timedelta(days=2)
    session.execute(
        update(TaskSchedule).where(TaskSchedule.task_id == task.id).values(last_due=later)
    )
    session.commit()
    with ledger_transaction(session):
        wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=60)
        put_schedule(session, task.id, wanted, moment=now(session), slot_interval_seconds=300)
    next_due = row(session, task).next_due
    assert next_due is not None
    assert next_due > later


@pytest.mark.parametrize("wanted", [None, ScheduleInput(), ScheduleInput(zone="Asia/Tokyo")])
def test_back_to_the_common_slot(
    session: Session, make_task: MakeTask, wanted: ScheduleInput | None
) -> None:
    """A task without policies has no row."""
    task = make_task()
    schedule(session, task)
    with ledger_transaction(session):
        assert put_schedule(
            session, task.id, wanted, moment=now(session), slot_interval_seconds=300
        )
    assert session.get(TaskSchedule, task.id) is None
    launched = launch(session)
    assert launched is None


def test_a_schedule_that_stays_keeps_its_due_time(session: Session, make_task: MakeTask) -> None:
    """Saving an unchanged form loses no due time."""
    task = make_task()
    schedule(session, task)
    stored = row(session, task)
    due, same = stored.next_due, replace(HOURLY, starts_at=stored.starts_at)
    with ledger_transaction(session):
        assert not put_schedule(
            session, task.id, same, moment=now(session), slot_interval_seconds=300
        )
    assert row(session, task).next_due == due


@pytest.mark.parametrize("value", [0, 1.5, True, "3"])
def test_a_maximum_is_a_whole_number(value: Any) -> None:
    """A column would round, or read True as 1."""
    with pytest.raises(InvalidSchedule, match="must be a whole number of at least 1") as refused:
        ScheduleInput(max_runs=value).checked()
    assert refused.value.field == "max_runs"
