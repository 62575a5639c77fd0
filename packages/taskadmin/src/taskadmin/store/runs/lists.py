"""Runs for lists and charts: the last runs of many tasks, more of one task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, select, type_coerce
from sqlalchemy.orm import Session, aliased, defer, with_expression
from sqlalchemy.orm.interfaces import ORMOption

from ...models import RunState, Task, TaskResult
from ...models.columns.stored_json import ListedJson

#: Number of runs of each task in a list.
RUNS_PER_TASK = 60
#: Number of runs in a chart, and of the newest runs to search for them: a task that is paused for
#: a long time leaves only skipped runs.
CHARTED_RUNS = 200
_SEARCHED_RUNS = 2_000
#: Maximum characters of JSON to read of an output, of which lists show 60, each of which may be an
#: escape; and of all arguments, which are shown only if they were read completely.
_LISTED_OUTPUT = 1_000
_LISTED_PARAMS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ListedRun(NamedTuple):
    """The columns of a run that lists show."""

    id: int
    task_id: int
    due_at: datetime
    state: RunState
    started_at: datetime | None
    finished_at: datetime | None
    result: float | None
    error_type: str | None

    @property
    def took(self) -> timedelta | None:
        """How long the job ran; None if it wasn't executed or hasn't finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        if self.state not in (RunState.SUCCEEDED, RunState.FAILED):
            return None  # a cancelled run may have ended long after its job
        return max(self.finished_at - self.started_at, timedelta())


def task_not_deleted() -> ColumnElement[bool]:
    """Return a condition for runs whose task isn't deleted.

    Few tasks are deleted, and an index holds them: it is read once, where a join would look up
    the task of each run.
    """
    return TaskResult.task_id.not_in(select(Task.id).where(Task.deleted_at.is_not(None)))


def was_retried() -> ColumnElement[bool]:
    """Return a condition for runs of which a retry exists."""
    retry = aliased(TaskResult)
    return exists().where(retry.retry_of == TaskResult.id)


def for_lists() -> tuple[ORMOption, ...]:
    """Return query options for lists of runs, so that no large value is loaded.

    Outputs and arguments are in ``listed_output`` and ``listed_params``.
    """
    output = type_coerce(TaskResult.output, ListedJson(_LISTED_OUTPUT))
    params = type_coerce(TaskResult.task_params, ListedJson(_LISTED_PARAMS, dict))
    return (
        defer(TaskResult.output, raiseload=True),
        defer(TaskResult.task_params, raiseload=True),
        with_expression(TaskResult.listed_output, output),
        with_expression(TaskResult.listed_params, params),
    )


def _columns(run: type[TaskResult]) -> tuple[object, ...]:
    return tuple(getattr(run, name) for name in ListedRun._fields)


def last_runs(
    session: Session, task_ids: Collection[int], *, most: int = RUNS_PER_TASK
) -> Mapping[int, Sequence[ListedRun]]:
    """Return the runs with the latest due times by task, oldest first; one query.

    Tasks without runs are left out.
    """
    runs: dict[int, list[ListedRun]] = {}
    for row in session.execute(_last_runs(most), {"task_ids": task_ids}).all():
        run = ListedRun._make(row)
        runs.setdefault(run.task_id, []).append(run)
    return runs


# Cached, and built from tables: a list shows some thousand runs, and the ORM would process each.
@cache
def _last_runs(most: int) -> Select[*tuple[object, ...]]:
    task, run = Task.__table__.c, TaskResult.__table__.c
    earlier = TaskResult.__table__.alias("earlier").c
    since = (
        select(earlier.due_at)
        .where(earlier.task_id == task.id)
        .order_by(earlier.due_at.desc())
        .limit(1)
        .offset(most - 1)
        .correlate(Task.__table__)
        .scalar_subquery()
    )
    return (
        select(*(run[name] for name in ListedRun._fields))
        .select_from(Task.__table__)
        .join(
            TaskResult.__table__,
            and_(
                run.task_id == task.id,
                # Computed once per task, so that the index finds exactly these rows.
                run.due_at >= func.coalesce(since, _EPOCH, type_=run.due_at.type),
            ),
        )
        .where(task.id.in_(bindparam("task_ids", expanding=True)))
        .order_by(run.task_id, run.due_at)
    )


def charted_runs(
    session: Session, task_id: int, *, most: int = CHARTED_RUNS
) -> Sequence[ListedRun]:
    """Return the newest runs of a task that were executed and have finished, oldest first."""
    newest = (
        select(TaskResult)
        .where(TaskResult.task_id == task_id)
        .order_by(TaskResult.due_at.desc())
        .limit(_SEARCHED_RUNS)
        .subquery()
    )
    run = aliased(TaskResult, newest)
    rows = session.execute(
        select(*_columns(run))  # type: ignore[call-overload]
        .where(run.started_at.is_not(None), run.finished_at.is_not(None))
        .order_by(run.due_at.desc())
        .limit(most)
    )
    return [ListedRun(*row) for row in reversed(rows.all())]


def newest_runs(session: Session, task_id: int, *, limit: int) -> Sequence[TaskResult]:
    """Return the runs of a task with the latest due times, latest first.

    By due time, not by id: there is an index on it.
    """
    return session.scalars(
        select(TaskResult)
        .where(TaskResult.task_id == task_id)
        .order_by(TaskResult.due_at.desc())
        .limit(limit)
        .options(*for_lists())
    ).all()
