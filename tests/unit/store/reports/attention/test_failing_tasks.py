"""Failing tasks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.reports.attention import failing_tasks as module
from taskadmin.store.reports.attention.failing_tasks import failing_tasks, last_failures
from taskadmin.store.runs.lists import RUNS_PER_TASK
from taskadmin.store.runs.results import insert_runs


def run(
    session: Session,
    task: Task,
    states: str,
    *,
    error_type: str = "Boom",
) -> None:
    """Add runs of a task, oldest first: s(ucceeded), f(ailed), k(skipped) or q(ueued)."""
    now = clock.now(session)
    have = session.scalar(select(func.count()).select_from(TaskResult)) or 0
    for number, letter in enumerate(states):
        due_at = now + timedelta(seconds=have + number)
        insert_runs(session, [task], launch_id=1, due_at=due_at, jobs=all_jobs())
        if letter == "q":
            continue
        added = session.scalars(
            select(TaskResult).where(TaskResult.task_id == task.id, TaskResult.due_at == due_at)
        ).one()
        added.state = {"s": RunState.SUCCEEDED, "f": RunState.FAILED, "k": RunState.SKIPPED}[letter]
        added.finished_at = due_at
        added.error_type = error_type if letter == "f" else None
        added.reason = "because" if letter == "k" else None
    session.commit()


def test_tasks_that_fail_in_a_row_are_found(session: Session, make_task: MakeTask) -> None:
    """Three failures up to now; skipped and queued runs are ignored."""
    often, mixed, mended, twice = (make_task(name=name) for name in ("O", "M", "E", "T"))
    run(session, often, "sffkffq")
    run(session, mixed, "f", error_type="Other")
    run(session, mixed, "ff")
    run(session, mended, "ffffs")
    run(session, twice, "sff")

    found = failing_tasks(session)

    assert [(one.task, one.number, one.at_least, one.is_same) for one in found] == [
        ("O", 4, False, True),
        ("M", 3, False, False),
    ]
    assert [one.error_type for one in found] == ["Boom", "Boom"]
    first = select(func.min(TaskResult.finished_at)).where(
        TaskResult.task_id == often.id, TaskResult.state == RunState.FAILED
    )
    assert found[0].since == session.execute(first).scalar_one()


def test_longer_rows_are_at_least_that_long(session: Session, make_task: MakeTask) -> None:
    """Earlier runs aren't read."""
    run(session, make_task(), "f" * (RUNS_PER_TASK + 3))

    (found,) = failing_tasks(session)

    assert (found.number, found.at_least) == (RUNS_PER_TASK, True)


def test_last_failures_leave_out_deleted_tasks(session: Session, make_task: MakeTask) -> None:
    """With their tasks, newest first."""
    first, gone, last = make_task(name="A"), make_task(name="B"), make_task(name="C")
    for task in (first, gone, last):
        run(session, task, "fs")
    gone.deleted_at = clock.now(session)
    session.commit()

    assert [str(one.run.task) for one in last_failures(session)] == ["C", "A"]


def test_last_failures_show_a_task_once(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its newest failed run, and the number of its failures, if all were read."""
    often, once = make_task(name="Often"), make_task(name="Once")
    run(session, often, "ffsf")
    run(session, once, "f")
    run(session, often, "f", error_type="Newest")

    found = last_failures(session)

    assert [(str(one.run.task), one.number, one.at_least) for one in found] == [
        ("Often", 4, False),
        ("Once", 1, False),
    ]
    assert found[0].run.error_type == "Newest"
    monkeypatch.setattr(module, "SEARCHED_FAILURES", 3)
    assert [(one.number, one.at_least) for one in last_failures(session)] == [
        (2, True),
        (1, True),
    ]
