"""Failing tasks, from the newest failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Subquery, func, literal_column, select
from sqlalchemy.orm import Session, contains_eager

from ....models import RunState, Task, TaskResult
from ...runs.lists import RUNS_PER_TASK, for_lists, last_runs, task_not_deleted
from ..dashboard import MAX_NAMED_TASKS
from ..matching_tasks import SEARCHED_FAILURES

#: Number of consecutive failures from which a task needs attention.
IN_A_ROW = 3


class LastFailure(NamedTuple):
    """The newest failed run of a task, and the number of its failures."""

    run: TaskResult
    number: int
    #: Whether there may be more, because no more failures were read.
    at_least: bool


def last_failures(session: Session, *, limit: int = 6) -> Sequence[LastFailure]:
    """Return the tasks that failed last, each once, among the ``SEARCHED_FAILURES`` newest runs."""
    newest = _newest_failures(task_not_deleted())
    of_tasks = (
        select(func.max(newest.c.id).label("id"), func.count().label("number"))
        .group_by(newest.c.task_id)
        .order_by(literal_column("1").desc())
        .limit(limit)
        .subquery()
    )
    all_of_them = select(func.count()).select_from(newest).scalar_subquery()
    rows = session.execute(
        select(TaskResult, of_tasks.c.number, all_of_them == SEARCHED_FAILURES)
        .join(of_tasks, of_tasks.c.id == TaskResult.id)
        .join(TaskResult.task)
        .order_by(TaskResult.id.desc())
        .options(*for_lists(), contains_eager(TaskResult.task).load_only(Task.name))
    )
    return [LastFailure(*row) for row in rows]


def _newest_failures(*conditions: ColumnElement[bool]) -> Subquery:
    return (
        select(TaskResult.id, TaskResult.task_id)
        .where(TaskResult.error_type.is_not(None), TaskResult.state == RunState.FAILED, *conditions)
        .order_by(TaskResult.id.desc())
        .limit(SEARCHED_FAILURES)
        .subquery()
    )


class Failing(NamedTuple):
    """A task whose last runs all failed."""

    task_id: int
    task: str
    number: int
    #: Whether there may be more failures, because no more runs were read.
    at_least: bool
    #: The newest failure's exception.
    error_type: str
    #: Whether all failures have that exception.
    is_same: bool
    since: datetime | None


def failing_tasks(session: Session, *, limit: int = MAX_NAMED_TASKS) -> Sequence[Failing]:
    """Return active tasks with consecutive failures up to now, most failures first; two queries."""
    newest = _newest_failures()
    # Grouped and limited before the join, so that not all tasks are read.
    often = (
        select(newest.c.task_id, func.count().label("number"))
        .group_by(newest.c.task_id)
        .having(func.count() >= IN_A_ROW)
        .order_by(literal_column("number").desc(), newest.c.task_id)
        .limit(SEARCHED_FAILURES // (2 * IN_A_ROW))
        .subquery()
    )
    tasks = session.scalars(
        select(Task)
        .join(often, often.c.task_id == Task.id)
        .where(Task.enabled.is_(True), Task.deleted_at.is_(None))
        .order_by(often.c.number.desc(), Task.id)
        .limit(4 * limit)
    ).all()
    if not tasks:
        return []
    runs = last_runs(session, [task.id for task in tasks])
    failing = []
    for task in tasks:
        finished = [
            run
            for run in reversed(runs.get(task.id, ()))
            if run.state in (RunState.SUCCEEDED, RunState.FAILED)
        ]
        row = []
        for run in finished:
            if run.state != RunState.FAILED:
                break
            row.append(run)
        if len(row) >= IN_A_ROW:
            failing.append(
                Failing(
                    task.id,
                    str(task),
                    len(row),
                    len(row) == len(finished) and len(runs[task.id]) >= RUNS_PER_TASK,
                    row[0].error_type or "",
                    len({run.error_type for run in row}) == 1,
                    row[-1].finished_at,
                )
            )
    return sorted(failing, key=lambda one: -one.number)[:limit]
