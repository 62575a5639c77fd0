"""Prune old launches, surplus results of tasks, and deleted tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.launches import add_slot_launch as launch
from services.rows.runs import DUE, queue
from taskadmin.models import Launch, LaunchState, LedgerState, RunState, Task, TaskResult
from taskadmin.store.database.clock import now
from taskadmin.store.tasks.tasks import delete_tasks
from taskadmin.store.upkeep import pruning


def finish(session: Session) -> None:
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()


def rows(session: Session) -> tuple[int, int]:
    """Return the numbers of launches and results."""
    counts = (
        session.scalar(select(func.count()).select_from(Launch)) or 0,
        session.scalar(select(func.count()).select_from(TaskResult)) or 0,
    )
    session.rollback()
    return counts


def test_results_go_when_their_launch_is_old_enough(session: Session, make_task: MakeTask) -> None:
    """In batches, followed by the launch, whose slot isn't opened again."""
    tasks = [make_task() for _ in range(3)]
    old = launch(session, LaunchState.CLOSED, published=timedelta(days=31))
    young = launch(
        session, LaunchState.CLOSED, published=timedelta(days=29), slot=DUE + timedelta(1)
    )
    for task in tasks:
        queue(session, task.id, launch_id=old)
        queue(session, task.id, DUE + timedelta(1), launch_id=young)
    finish(session)

    def prune() -> int:
        return pruning.prune_old(session, older_than=timedelta(days=30), batch=2)

    assert [prune() for _ in range(3)] == [2, 1 + 1, 0]
    assert rows(session) == (1, 3)
    assert session.get_one(LedgerState, 1, populate_existing=True).pruned_before == DUE


def test_an_open_launch_is_never_pruned(session: Session, make_task: MakeTask) -> None:
    """Its runs aren't finished."""
    queue(session, make_task().id, launch_id=launch(session, published=timedelta(days=99)))
    assert pruning.prune_old(session, older_than=timedelta(days=30)) == 0
    assert rows(session) == (1, 1)


def test_missed_slots_are_pruned_too(session: Session) -> None:
    """By their slot, since they were never closed."""
    for day in range(3):
        session.add(
            Launch(
                kind="slot",
                slot=DUE + timedelta(day),
                state=LaunchState.MISSED,
                reason="away",
                opened_at=now(session),
            )
        )
    session.add(
        Launch(
            kind="slot",
            slot=now(session),
            state=LaunchState.MISSED,
            reason="away",
            opened_at=now(session),
        )
    )
    session.commit()
    assert pruning.prune_missed(session, older_than=timedelta(days=30), batch=2) == 2
    assert pruning.prune_missed(session, older_than=timedelta(days=30), batch=2) == 1
    assert pruning.prune_missed(session, older_than=timedelta(days=30), batch=2) == 0
    assert rows(session) == (1, 0)
    assert session.get_one(LedgerState, 1, populate_existing=True).pruned_before == DUE + timedelta(
        2
    )


def test_each_task_keeps_its_newest_results(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished results of closed launches are deleted; the search cycles through all tasks."""
    monkeypatch.setattr(pruning, "MAX_TASKS_PER_CHECK", 2)
    closed = launch(session, LaunchState.CLOSED)
    tasks = [make_task() for _ in range(3)]
    for task in tasks:
        for day in range(4):
            queue(session, task.id, DUE + timedelta(day), launch_id=closed)
    queue(
        session, tasks[0].id, DUE - timedelta(1), launch_id=launch(session, slot=DUE - timedelta(1))
    )
    finish(session)
    session.execute(update(LedgerState).values(counted_upto=now(session) + timedelta(minutes=1)))
    session.commit()

    assert pruning.prune_per_task(session, keep=3) == (2, False)
    assert pruning.prune_per_task(session, keep=3) == (1, True)
    assert pruning.prune_per_task(session, keep=3) == (0, False)

    left = session.execute(
        select(TaskResult.task_id, func.count(), func.min(TaskResult.due_at))
        .group_by(TaskResult.task_id)
        .order_by(TaskResult.task_id)
    ).all()
    assert [tuple(row) for row in left] == [
        (tasks[0].id, 4, DUE - timedelta(1)),  # its oldest belongs to an open launch
        (tasks[1].id, 3, DUE + timedelta(1)),
        (tasks[2].id, 3, DUE + timedelta(1)),
    ]


@pytest.mark.parametrize(
    ("counted", "stay"),
    [
        (None, [0, 10, 59]),
        (timedelta(minutes=200), [0, 10, 59]),  # no longer counted
        (timedelta(minutes=5), [0]),
        (timedelta(0), [0]),  # the newest one is kept
    ],
)
def test_recent_runs_are_counted_before_they_are_deleted(
    session: Session, make_task: MakeTask, counted: timedelta | None, stay: list[int]
) -> None:
    """Otherwise, charts would miss it; after an hour, it is deleted anyway."""
    task, closed, moment = make_task(), launch(session, LaunchState.CLOSED), now(session)
    for minutes in (0, 10, 59, 61, 500):
        at = moment - timedelta(minutes=minutes)
        run = session.get_one(TaskResult, queue(session, task.id, at, launch_id=closed))
        run.state, run.finished_at = RunState.SUCCEEDED, at
    upto = None if counted is None else moment - counted
    session.execute(update(LedgerState).values(counted_upto=upto))
    session.commit()

    pruning.prune_per_task(session, keep=1)

    left = session.scalars(select(TaskResult.due_at).order_by(TaskResult.due_at.desc())).all()
    assert [round((moment - due_at) / timedelta(minutes=1)) for due_at in left] == stay


def test_a_deleted_task_goes_bit_by_bit(session: Session, make_task: MakeTask) -> None:
    """Its results in batches, then the task."""
    gone, stays = make_task(), make_task()
    closed = launch(session)
    for day in range(3):
        queue(session, gone.id, DUE + timedelta(day), launch_id=closed)
    queue(session, stays.id, launch_id=closed)
    delete_tasks(session, [gone.id])

    assert [pruning.prune_deleted(session, batch=2) for _ in range(3)] == [2, 1 + 1, 0]

    assert session.scalars(select(Task.id)).all() == [stays.id]
    assert rows(session) == (1, 1)


#: Launches that were closed long ago and deleted tasks, all without results, beside other tasks
#: with 15 each.
JUST_GROWN = """
ALTER TABLE taskadmin_task_result SET (autovacuum_enabled = false);
INSERT INTO taskadmin_launch (kind, state, opened_at, closed_at)
 SELECT 'due', 'closed', now(), now() - n * interval '1 day' FROM generate_series(1, 200) n;
INSERT INTO taskadmin_task (lower_limit, upper_limit, created_by, created_at, updated_at, deleted_at)
 SELECT 0, 1, created_by, now(), now(), CASE WHEN n > 2800 THEN now() END
 FROM taskadmin_task, generate_series(1, 3000) n;
INSERT INTO taskadmin_task_result
 (task_id, launch_id, due_at, job, queue, task_params, state, queued_at, finished_at)
 SELECT id, 1, at, job, 'q', '{}', 'succeeded', at, at FROM taskadmin_task,
 (SELECT now() - n * interval '1 day' AS at FROM generate_series(1, 15) n) moments
 WHERE deleted_at IS NULL
"""


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("prune", "expected"),
    [
        (lambda session: pruning.prune_old(session, older_than=timedelta(30), batch=100), 100),
        (lambda session: pruning.prune_deleted(session, batch=100), 100),
        (lambda session: pruning.prune_per_task(session, keep=14, batch=100), (100, False)),
    ],
)
def test_a_table_that_has_just_grown_is_not_read_whole(
    engine: Engine,
    session: Session,
    make_task: MakeTask,
    prune: Callable[[Session], Any],
    expected: Any,
) -> None:
    """Without statistics, the planner doesn't know how few rows match."""
    make_task()
    session.execute(text(JUST_GROWN))
    session.commit()
    plans = []

    def explain(_connection: Any, cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if "= ANY" in statement:
            with cursor.connection.cursor() as own:
                own.execute(f"EXPLAIN {statement}", given, prepare=False)
                plans.append("\n".join(plan for (plan,) in own.fetchall()))

    event.listen(engine, "before_cursor_execute", explain)

    assert prune(session) == expected

    assert len(plans) >= 2
    for plan in plans:
        assert "Seq Scan on taskadmin_task_result" not in plan, plan[:2000]
        # In smaller tables, each row would be compared with each id.
        assert "ANY (('" not in plan, plan[:2000]
