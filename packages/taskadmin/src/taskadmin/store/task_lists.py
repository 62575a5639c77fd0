"""What lists and charts tell of the runs of tasks: the last ones of many, and more of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from ..models import RunState, Task, TaskResult

#: Runs of a task in a list.
RUNS = 60
#: Runs of a chart, and how many of the newest are looked through for them: a task that is
#: paused for long leaves nothing but skipped ones.
CHARTED = 200
_LOOKED_THROUGH = 2_000
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class ListedRun(NamedTuple):
    """A run as far as lists tell of it."""

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
        """How long its job ran; None if it didn't, or hasn't finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        if self.state not in (RunState.SUCCEEDED, RunState.FAILED):
            return None  # cancelled between two attempts, it ended later than its job did
        return max(self.finished_at - self.started_at, timedelta())


def _columns(run: type[TaskResult]) -> tuple[object, ...]:
    return tuple(getattr(run, name) for name in ListedRun._fields)


def last_runs(
    session: Session, task_ids: Collection[int], *, most: int = RUNS
) -> Mapping[int, Sequence[ListedRun]]:
    """The runs of these tasks with the latest due times, the oldest first, by task; one query.

    Tasks without runs are left out.
    """
    found: dict[int, list[ListedRun]] = {}
    for row in session.execute(_last_runs(most), {"task_ids": task_ids}).all():
        run = ListedRun._make(row)
        found.setdefault(run.task_id, []).append(run)
    return found


# Made once, and of tables instead of classes: a list shows some thousand runs, and the ORM would
# look at each of them.
@cache
def _last_runs(most: int) -> Select[*tuple[Any, ...]]:
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
                # Computed once for each task, so that an index leads to these rows and no other.
                run.due_at >= func.coalesce(since, _EVER, type_=run.due_at.type),
            ),
        )
        .where(task.id.in_(bindparam("task_ids", expanding=True)))
        .order_by(run.task_id, run.due_at)
    )


def charted_runs(session: Session, task_id: int, *, most: int = CHARTED) -> Sequence[ListedRun]:
    """The newest finished runs of a task that were executed, the oldest first."""
    newest = (
        select(TaskResult)
        .where(TaskResult.task_id == task_id)
        .order_by(TaskResult.due_at.desc())
        .limit(_LOOKED_THROUGH)
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
    """The runs of a task with the latest due times, the latest first.

    By due time and not by id: only so an index holds them in order.
    """
    return session.scalars(
        select(TaskResult)
        .where(TaskResult.task_id == task_id)
        .order_by(TaskResult.due_at.desc())
        .limit(limit)
    ).all()
