"""Failures by job and exception, counted over the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from ..models import RunState, Task, TaskResult
from .clock import now
from .living import is_of_living_task
from .remembered import Remembered

#: Failed runs that are counted at most, the newest ones.
COUNTED = 10_000
#: Groups that a page shows at most, those that failed last.
GROUPS = 200
#: Up to how long ago the columns count.
SPANS = (
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=24),
    timedelta(days=3),
    timedelta(days=7),
)


class FailureGroup(NamedTuple):
    """Failed runs of one job with one exception."""

    job: str
    error_type: str
    number: int
    #: How many of them failed within each of ``SPANS``.
    counts: tuple[int, ...]
    last_at: datetime
    #: The newest of them, as an example.
    run_id: int
    task: str
    error: str | None


class Failures(NamedTuple):
    """What failed lately."""

    #: Those that failed last come first.
    groups: Sequence[FailureGroup]
    #: Groups beyond ``GROUPS``.
    more: int
    #: Failed runs that were counted.
    number: int
    #: Whether there are, or may be, older ones.
    capped: bool
    #: When the oldest that was counted failed.
    oldest: datetime | None


#: Where more failed than are counted: grouping so many costs as much as the rest of the page
#: twice, and whatever people do, other failures take their place.
_MANY: Remembered[Failures] = Remembered(seconds=10)


def recent_failures(
    session: Session, *, most: int = COUNTED, most_groups: int = GROUPS
) -> Failures:
    """Group the newest failed runs; three queries, in an index of those that have an error.

    An answer that is ``capped`` is remembered for some seconds.
    """
    known = _MANY.find(session, (most, most_groups))
    if known is not None:
        return known
    found = _grouped(session, most, most_groups)
    if found.capped:
        _MANY.keep(session, (most, most_groups), found)
    return found


def _grouped(session: Session, most: int, most_groups: int) -> Failures:
    moment = now(session)
    newest = (
        select(TaskResult.id, TaskResult.job, TaskResult.error_type, TaskResult.finished_at)
        .where(
            TaskResult.error_type.is_not(None),
            TaskResult.state == RunState.FAILED,
            is_of_living_task(),
        )
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery()
    )

    def within(span: timedelta) -> ColumnElement[int]:
        return func.sum(case((newest.c.finished_at > moment - span, 1), else_=0))

    rows = session.execute(
        select(
            newest.c.job,
            newest.c.error_type,
            func.count().label("number"),
            func.max(newest.c.finished_at).label("last_at"),
            func.min(newest.c.finished_at).label("first_at"),
            func.max(newest.c.id).label("run_id"),
            *(within(span).label(f"within_{place}") for place, span in enumerate(SPANS)),
        )
        .group_by(newest.c.job, newest.c.error_type)
        .order_by(func.max(newest.c.finished_at).desc(), func.max(newest.c.id).desc())
    ).all()
    shown = rows[:most_groups]
    examples = {
        run_id: (str(task), error)
        for run_id, error, task in session.execute(
            select(TaskResult.id, TaskResult.error, Task)
            .join(TaskResult.task)
            .where(TaskResult.id.in_([row.run_id for row in shown]))
        )
    }
    number = sum(row.number for row in rows)
    return Failures(
        [
            FailureGroup(
                row.job,
                row.error_type,
                row.number,
                tuple(int(row[6 + place]) for place in range(len(SPANS))),
                row.last_at,
                row.run_id,
                *examples.get(row.run_id, ("", None)),
            )
            for row in shown
        ],
        len(rows) - len(shown),
        number,
        number >= most,
        min((row.first_at for row in rows), default=None),
    )
