"""Queries of the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import (
    Process,
    ProcessEnd,
    ProcessKind,
    TaskSchedule,
)
from taskadmin.store.database import clock
from taskadmin.store.database.counting import MAX_COUNTED
from taskadmin.store.reports import dashboard
from taskadmin.store.reports.attention.blocked_tasks import blocked_tasks


def test_what_is_counted(session: Session, make_task: MakeTask) -> None:
    """Own schedules, tasks of the common slot and late tasks, without deleted ones."""
    now = clock.now(session)
    make_task()
    slot, soon, late, broken, gone = (make_task() for _ in range(5))
    for task, values in (
        (slot, {"kind": "slot"}),
        (soon, {"kind": "interval", "every_seconds": 60, "next_due": now + timedelta(minutes=5)}),
        (late, {"kind": "interval", "every_seconds": 60, "next_due": now - timedelta(minutes=5)}),
        (broken, {"kind": "cron", "cron": "0 0 30 2 *", "error": "Never."}),
        (gone, {"kind": "interval", "every_seconds": 60, "next_due": now - timedelta(minutes=9)}),
    ):
        session.add(TaskSchedule(task_id=task.id, **values))
    gone.deleted_at = now
    session.commit()

    found = dashboard.outlook(session, moment=now, horizon=now + timedelta(minutes=15))

    assert (found.due, found.with_slot, found.late, found.broken) == (2, 2, 1, 1)
    assert found.first_due == now - timedelta(minutes=5)
    assert (found.paused, found.paused_since, found.missed_slots) == (0, None, 0)
    assert found.has_tasks
    assert [one.task_id for one in dashboard.next_runs(session)] == [late.id, soon.id]
    blocked = blocked_tasks(session, limit=5)
    assert [(one.task_id, one.reason) for one in blocked.by_schedule] == [(broken.id, "Never.")]
    assert not blocked.by_job


def test_an_empty_site_has_no_tasks(session: Session, make_task: MakeTask) -> None:
    """Deleted tasks don't count."""
    make_task().deleted_at = clock.now(session)
    session.commit()
    now = clock.now(session)

    assert not dashboard.outlook(session, moment=now, horizon=now).has_tasks


def test_silent_workers_do_not_count_as_consumers(session: Session) -> None:
    """A silent process may still execute runs, but isn't counted as reading."""
    now = clock.now(session)
    ids = {}
    for name, seen, gone in (("here", 1, False), ("silent", 300, False), ("gone", 1, True)):
        ids[name] = uuid4()
        session.add(
            Process(
                id=ids[name],
                kind=ProcessKind.WORKER,
                name=name,
                host="h",
                pid=1,
                queues=f"{name},common",
                started_at=now,
                seen_at=now - timedelta(seconds=seen),
                gone_at=now if gone else None,
                ending=ProcessEnd.LOST if gone else None,
            )
        )
    session.commit()

    found = dashboard.readers(session, since=now - timedelta(seconds=30))

    assert found.queues == {"here", "common"}
    assert found.workers == {ids["here"]: "here", ids["silent"]: "silent"}


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("moment", "ticked", "number"),
    [
        (NOON, None, 0),
        (NOON + timedelta(minutes=4), timedelta(minutes=1), 0),
        # It stopped in this slot, after opening it.
        (NOON + timedelta(minutes=4), timedelta(minutes=3), 0),
        # A new slot may take a minute.
        (NOON + timedelta(seconds=59), timedelta(minutes=2), 0),
        (NOON + timedelta(seconds=61), timedelta(minutes=2), 1),
        (NOON + timedelta(seconds=61), timedelta(minutes=12), 3),
        (NOON, timedelta(days=3650), MAX_COUNTED),
    ],
)
def test_slots_are_late_without_a_launcher(
    moment: datetime, ticked: timedelta | None, number: int
) -> None:
    """With slots of five minutes."""
    assert dashboard.late_slots(moment, ticked, timedelta(minutes=5)) == number
