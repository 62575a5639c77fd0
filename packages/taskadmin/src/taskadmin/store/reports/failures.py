"""The newest failures, grouped by job and exception."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from ...models import RunState, Task, TaskResult
from ..database.cache import TimedCache
from ..database.clock import now
from ..runs.lists import task_not_deleted, was_retried

#: Maximum failed runs to count, newest first.
NEWEST_FAILURES = 10_000
#: Maximum groups on a page, last failed first.
MAX_GROUPS = 200
#: Time spans of the columns.
COLUMN_SPANS = (
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=24),
    timedelta(days=3),
    timedelta(days=7),
)


class FailureGroup(NamedTuple):
    """Failed runs of one job with the same exception."""

    job: str
    error_type: str
    number: int
    #: Number of those that weren't retried.
    not_retried: int
    #: Number of failures within each of ``COLUMN_SPANS``.
    counts: tuple[int, ...]
    last_at: datetime
    #: The newest failure, as an example.
    run_id: int
    task: str
    error: str | None


class Failures(NamedTuple):
    """Recent failures."""

    #: Last failed first.
    groups: Sequence[FailureGroup]
    #: Number of groups beyond ``MAX_GROUPS``.
    more: int
    #: Number of failed runs that were counted.
    number: int
    #: Whether older failures exist, or may exist.
    capped: bool
    #: When the oldest counted run failed.
    oldest: datetime | None


#: Results with more failures than are counted: grouping them costs twice as much as the rest of the
#: page, and a result that is some seconds old is hardly different.
_UNCOUNTED_RESULTS: TimedCache[Failures] = TimedCache(seconds=10)


def recent_failures(
    session: Session,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    most: int = NEWEST_FAILURES,
    most_groups: int = MAX_GROUPS,
) -> Failures:
    """Group the newest failed runs; three queries that use the index of runs with errors.

    A ``capped`` result is cached for some seconds.

    Args:
        since: Runs that failed since then; *until*: before then.
    """
    key = (since, until, most, most_groups)
    cached = _UNCOUNTED_RESULTS.get(session, key)
    if cached is not None:
        return cached
    failures = _grouped(session, *key)
    if failures.capped:
        _UNCOUNTED_RESULTS.set(session, key, failures)
    return failures


def _grouped(
    session: Session, since: datetime | None, until: datetime | None, most: int, most_groups: int
) -> Failures:
    moment = now(session)
    newest = (
        select(
            TaskResult.id,
            TaskResult.job,
            TaskResult.error_type,
            TaskResult.finished_at,
            was_retried().label("was_retried"),
        )
        .where(
            TaskResult.error_type.is_not(None),
            TaskResult.state == RunState.FAILED,
            task_not_deleted(),
            *([] if since is None else [TaskResult.finished_at >= since]),
            *([] if until is None else [TaskResult.finished_at < until]),
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
            func.sum(case((newest.c.was_retried, 0), else_=1)).label("not_retried"),
            func.max(newest.c.finished_at).label("last_at"),
            func.min(newest.c.finished_at).label("first_at"),
            func.max(newest.c.id).label("run_id"),
            *(within(span).label(f"within_{place}") for place, span in enumerate(COLUMN_SPANS)),
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
                int(row.not_retried),
                tuple(int(row[7 + place]) for place in range(len(COLUMN_SPANS))),
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
