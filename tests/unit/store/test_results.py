"""Runs: written queued, found again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, Task, TaskResult
from taskadmin.store import executions, recovery, results
from taskadmin.store.outcome import Outcome

DUE = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Outcome(worker="w1@host", elapsed=timedelta(seconds=2), result=0.25)


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run, due at DUE, of launch 5."""
    return queue(session, make_task().id)


def queue(session: Session, task_id: int, due_at: datetime = DUE) -> int:
    task = session.get_one(Task, task_id)
    results.insert_runs(session, [task], launch_id=5, due_at=due_at, jobs=all_jobs())
    session.commit()
    found = session.scalar(
        select(TaskResult.id).where(TaskResult.task_id == task_id, TaskResult.due_at == due_at)
    )
    assert found is not None
    return found


def row(session: Session, run_id: int) -> TaskResult:
    return session.get_one(TaskResult, run_id, populate_existing=True)


def test_runs_of_a_launch_are_in_order(session: Session, make_task: MakeTask) -> None:
    """Those of other launches aren't among them."""
    ids = [queue(session, make_task().id) for _ in range(2)]
    other = queue(session, make_task().id)
    session.execute(update(TaskResult).where(TaskResult.id == other).values(launch_id=6))
    session.commit()
    assert [run.id for run in results.runs_of_launch(session, 5)] == ids


def test_sent_runs_that_are_open_are_found_in_pages(session: Session, make_task: MakeTask) -> None:
    """Those of published launches only, and not what is finished."""
    session.add(Launch(id=5, kind="manual", state=LaunchState.PUBLISHED, opened_at=DUE))
    session.add(Launch(id=6, kind="manual", state=LaunchState.OPENING, opened_at=DUE))
    session.commit()
    ids = [queue(session, make_task().id) for _ in range(4)]
    executions.complete_unclaimed(session, ids[1], DUE, uuid4(), DONE)
    session.execute(update(TaskResult).where(TaskResult.id == ids[3]).values(launch_id=6))
    session.commit()
    first = results.sent_but_open(session, after_id=0, limit=1)
    assert [run.id for run in first] == [ids[0]]
    rest = results.sent_but_open(session, after_id=ids[0], limit=10)
    assert [run.id for run in rest] == [ids[2]]


def test_sending_again_is_counted(session: Session, run_id: int) -> None:
    """With the time of the last one."""
    recovery.note_sent(session, [run_id, 999])
    recovery.note_sent(session, [run_id])
    run = row(session, run_id)
    assert run.publishes == 2
    assert run.published_at is not None
