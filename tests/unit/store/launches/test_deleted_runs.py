"""Delete failed runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.rows.retries import ADA, finish, retry, trail
from services.rows.runs import DUE, claim, queue, row
from taskadmin.jobs import all_jobs
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    Overlap,
    RunProgress,
    RunState,
    TaskResult,
    TaskSchedule,
)
from taskadmin.store.launches import closing, launches, slots
from taskadmin.store.launches.run_actions import delete_runs
from taskadmin.store.tasks import tasks


def launch(session: Session, **columns: Any) -> int:
    """Add a slot's launch, and return its id."""
    slot = DUE + timedelta(days=len(session.scalars(select(Launch.id)).all()))
    made = Launch(kind=LaunchKind.SLOT, slot=slot, opened_at=DUE, **columns)
    session.add(made)
    session.commit()
    return made.id


def moved(session: Session, run_id: int, launch_id: int) -> int:
    """Move a run to another launch."""
    session.execute(update(TaskResult).where(TaskResult.id == run_id).values(launch_id=launch_id))
    session.commit()
    return run_id


def left(session: Session) -> list[int]:
    return list(session.scalars(select(TaskResult.id).order_by(TaskResult.id)))


def test_failed_runs_are_deleted_with_what_belongs_to_them(session: Session, run_id: int) -> None:
    """One audit entry per job and exception has their number and ids."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 4))]
    for found in ids:
        finish(session, found)
    session.execute(update(TaskResult).where(TaskResult.id == ids[1]).values(error_type="Other"))
    session.add(RunProgress(run_id=run_id, lines=[], updated_at=DUE))
    session.commit()
    assert delete_runs(session, [*ids, 999], actor=ADA) == (ids, 0)
    assert left(session) == []
    assert session.scalars(select(RunProgress.run_id)).all() == []
    told = {"job": "generate_random_number", "error_type": "Boom", "runs": 3}
    other = {"job": "generate_random_number", "error_type": "Other", "runs": 1}
    assert trail(session) == [
        (
            *("deleted", "1 failed run of generate_random_number: Other"),
            *(other | {"first": ids[1], "last": ids[1]}, None),
        ),
        (
            *("deleted", "3 failed runs of generate_random_number: Boom"),
            *(told | {"first": ids[0], "last": ids[3]}, None),
        ),
    ]


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.FAILED])
def test_runs_that_have_not_failed_are_never_deleted(
    session: Session, run_id: int, process_id: UUID, state: RunState
) -> None:
    """Even if it is requested."""
    if state == RunState.RUNNING:
        claim(session, run_id, process_id=process_id, token=uuid4())
    elif state != RunState.QUEUED:
        finish(session, run_id, state)
    assert delete_runs(session, [run_id], actor=ADA) == ([], 0)
    assert left(session) == [run_id]
    assert trail(session) == []


def test_runs_are_deleted_only_once_their_launch_is_sent(session: Session, run_id: int) -> None:
    """It must be closed, or published and sent beyond the run."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 4))]
    for found in ids:
        finish(session, found)
    opening, beyond, before, closed = ids
    published = {"state": LaunchState.PUBLISHED, "published_at": DUE}
    moved(session, opening, launch(session, state=LaunchState.OPENING, published_id=99))
    moved(session, beyond, launch(session, **published, published_id=beyond))
    moved(session, before, launch(session, **published, published_id=before - 1))
    moved(session, closed, launch(session, state=LaunchState.CLOSED, closed_at=DUE))
    assert delete_runs(session, ids, actor=ADA) == ([beyond, closed], 2)
    assert left(session) == [opening, before]


def test_a_deleted_run_of_a_slot_is_never_launched_again(
    session: Session, make_task: MakeTask
) -> None:
    """The launch's row remains, even if a launcher checks the same slot again."""
    make_task()
    owner = uuid4()
    slot = slots.open_slot(session, 1e9)
    assert slot is not None
    launches.take(session, slot, owner)
    while launches.queue_page(session, slot, owner, page_size=9, jobs=all_jobs()).more:
        pass
    [run_id] = left(session)
    launches.mark_sent(session, slot, owner, run_id)
    launches.finish_launch(session, slot, owner)
    finish(session, run_id)
    assert delete_runs(session, [run_id], actor=ADA).run_ids == [run_id]
    assert slots.open_slot(session, 1e9) is None
    assert closing.close_finished(session) == 1
    assert slots.open_slot(session, 1e9) is None
    assert left(session) == []


def test_an_overlap_does_not_wait_for_a_deleted_run(session: Session, run_id: int) -> None:
    """The next run starts."""
    task_id = row(session, run_id).task_id
    schedule = TaskSchedule(task_id=task_id, kind="slot", overlap=Overlap.SKIP)
    schedule.current_run_id = finish(session, run_id)
    session.add(schedule)
    session.commit()
    later = finish(session, queue(session, task_id, DUE + timedelta(hours=1)))
    delete_runs(session, [run_id], actor=ADA)
    assert retry(session, later).runs == 1


def test_runs_of_deleted_tasks_are_left_to_the_pruner(session: Session, run_id: int) -> None:
    """They aren't shown anywhere."""
    finish(session, run_id)
    tasks.delete_tasks(session, [row(session, run_id).task_id])
    assert delete_runs(session, [run_id], actor=ADA) == ([], 0)


def test_two_people_delete_at_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Each run is deleted and counted once."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 6))]
    for found in ids:
        finish(session, found)

    def delete(order: int) -> int:
        with Session(engine) as own:
            return len(delete_runs(own, ids[::order], actor=ADA).run_ids)

    done = at_once(lambda: delete(1), lambda: delete(-1), lambda: delete(1))
    assert sum(done) == len(ids)
    assert sum(before["runs"] for _, _, before, _ in trail(session)) == len(ids)
