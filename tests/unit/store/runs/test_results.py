"""Queue and find runs."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import DUE, finish, queue, row
from taskadmin.models import Launch, LaunchState, TaskResult
from taskadmin.store.runs import results
from taskadmin.store.upkeep import recovery


def test_runs_of_a_launch_are_in_order(session: Session, make_task: MakeTask) -> None:
    """Without those of other launches."""
    ids = [queue(session, make_task().id) for _ in range(2)]
    other = queue(session, make_task().id)
    session.execute(update(TaskResult).where(TaskResult.id == other).values(launch_id=6))
    session.commit()
    assert [run.id for run in results.runs_of_launch(session, 5)] == ids


def test_sent_runs_that_are_open_are_found_in_pages(session: Session, make_task: MakeTask) -> None:
    """Unfinished runs of published launches."""
    session.add(Launch(id=5, kind="manual", state=LaunchState.PUBLISHED, opened_at=DUE))
    session.add(Launch(id=6, kind="manual", state=LaunchState.OPENING, opened_at=DUE))
    session.commit()
    ids = [queue(session, make_task().id) for _ in range(4)]
    finish(session, ids[1])
    session.execute(update(TaskResult).where(TaskResult.id == ids[3]).values(launch_id=6))
    session.commit()
    first = results.sent_but_open(session, after_id=0, limit=1)
    assert [run.id for run in first] == [ids[0]]
    rest = results.sent_but_open(session, after_id=ids[0], limit=10)
    assert [run.id for run in rest] == [ids[2]]


def test_sending_again_is_counted(session: Session, run_id: int) -> None:
    """With the last time."""
    recovery.note_sent(session, [run_id, 999])
    recovery.note_sent(session, [run_id])
    run = row(session, run_id)
    assert run.publishes == 2
    assert run.published_at is not None
