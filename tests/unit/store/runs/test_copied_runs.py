"""Runs inserted by PostgreSQL equal those inserted from Python."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult, User
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.launches import launches, slots
from taskadmin.store.runs import results
from taskadmin.store.runs.results import copy_runs, insert_runs

DUE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
#: Columns that differ in each row.
OWN = {"id", "due_at", "queued_at", "launch_id"}


def columns(session: Session, due_at: datetime) -> list[dict[str, Any]]:
    """Return the rows of a due time, by task."""
    session.expire_all()
    rows = session.scalars(
        select(TaskResult).where(TaskResult.due_at == due_at).order_by(TaskResult.task_id)
    )
    names = [column.key for column in inspect(TaskResult).column_attrs]
    return [{name: getattr(row, name) for name in names if name not in OWN} for row in rows]


@pytest.mark.databases("postgresql")
def test_rows_are_the_same_whoever_writes_them(session: Session, make_task: MakeTask) -> None:
    """All columns are equal; a task with a row for the due time gets no second one."""
    tasks = [make_task(None, number - 0.5, number * 1e300) for number in range(1, 4)]
    job = all_jobs()["generate_random_number"]
    ids = [task.id for task in tasks]
    with ledger_transaction(session):
        insert_runs(session, tasks, launch_id=1, due_at=DUE, jobs=all_jobs())
    with ledger_transaction(session):
        assert copy_runs(session, ids, launch_id=2, due_at=LATER, job=job) == 3
        assert copy_runs(session, ids, launch_id=2, due_at=LATER, job=job) == 0

    assert columns(session, LATER) == columns(session, DUE)
    assert [row["state"] for row in columns(session, LATER)] == [RunState.QUEUED] * 3


def test_a_page_has_a_row_for_every_task(
    session: Session, make_task: MakeTask, chief_id: int
) -> None:
    """Queued or skipped, whether the task is drawn, paused or orphaned, and counted."""
    for _ in range(3):
        make_task()
    paused = make_task(enabled=False)
    session.add(Task(job="gone", params={"a": 1}, created_by=chief_id))
    session.commit()
    launch_id = slots.open_slot(session, 300)
    assert launch_id is not None
    owner = uuid4()
    launches.take(session, launch_id, owner)

    page = launches.queue_page(session, launch_id, owner, page_size=10, jobs=all_jobs())

    assert (page.runs, page.more) == (3, False)
    assert launches.finish_launch(session, launch_id, owner) == (3, 2)
    rows = session.scalars(select(TaskResult).order_by(TaskResult.task_id)).all()
    assert [row.state for row in rows] == [RunState.QUEUED] * 3 + [RunState.SKIPPED] * 2
    assert rows[3].task_id == paused.id


@pytest.mark.databases("postgresql")
def test_a_task_that_is_resumed_meanwhile_still_gets_its_row(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks are read once per page, so none falls between two statements."""
    make_task()
    make_task(enabled=False)
    original = results.copy_runs

    def resume_between(*arguments: Any, **options: Any) -> int:
        session.execute(update(Task).values(enabled=True))
        return original(*arguments, **options)

    monkeypatch.setattr(launches, "copy_runs", resume_between)
    launch_id = slots.open_slot(session, 300)
    assert launch_id is not None
    owner = uuid4()
    launches.take(session, launch_id, owner)

    launches.queue_page(session, launch_id, owner, page_size=10, jobs=all_jobs())

    assert len(session.scalars(select(TaskResult.id)).all()) == 2


@pytest.fixture
def chief_id(session: Session, make_user: Any) -> int:
    """A user who can have tasks."""
    user: User = make_user("chief")
    return user.id
