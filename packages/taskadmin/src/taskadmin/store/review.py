"""Who has how many tasks, when they ran last, and how many of their runs failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, Subquery, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ..models import RunState, Task, TaskResult, User, UtcDateTime
from .transaction import read_uncompiled

# Bounds that keep the page below 60 ms with 1,000 people, 100,000 tasks and 1,000,000 results:
# asking each task alone for its last run would take three times as long.

#: Newest runs that are looked through for the last one of each person.
NEWEST = 2_500
#: Of people without any run among those, the tasks that are asked one by one.
ASKED = 2_000
#: Newest failures that are counted.
FAILURES = 2_500
#: What the rows can be sorted by.
ORDERS = ("username", "tasks", "last_run", "failures")


class _a_day_ago(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """24 hours before the statement began, by the database's clock."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(_a_day_ago)
def _interval(element: Any, compiler: Any, **kw: Any) -> str:
    return "(statement_timestamp() - INTERVAL '24 hours')"


@compiles(_a_day_ago, "sqlite")
def _modifier(element: Any, compiler: Any, **kw: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-24 hours')"


class ReviewRow(NamedTuple):
    """A line of the review page."""

    user_id: int
    username: str
    is_active: bool
    tasks: int
    #: When the newest run of one of the tasks was queued.
    last_run: datetime | None
    #: False if there may be a run, though none among the newest ``NEWEST``.
    last_run_is_known: bool
    #: In 24 hours, of the newest ``FAILURES`` of everybody.
    failures: int


class Review(NamedTuple):
    """A page of the review."""

    rows: Sequence[ReviewRow]
    #: More runs failed in 24 hours than were counted.
    is_capped: bool


def review_page(
    session: Session,
    *,
    order_by: str = "username",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
    newest: int = NEWEST,
    asked: int = ASKED,
    most_failures: int = FAILURES,
) -> Review:
    """Usernames with the amount of their tasks, people without any too; one query.

    What isn't known comes last, whatever the direction.

    Args:
        order_by: One of ``ORDERS``.
        limit: Most rows returned.
    """
    amounts = _amounts()
    recent = _last_of_newest(newest)
    rest = _people_beyond(amounts, recent)
    older = _last_of_each_task(rest, asked)
    failed = _newest_failures(most_failures)
    failures = _failures_of_each(failed)

    people = _people(amounts, recent, rest, older, failures, asked)
    column: ColumnElement[Any] = people.c[order_by if order_by != "username" else "username_key"]
    read_uncompiled(session)
    rows = session.execute(
        select(
            people.c.id,
            people.c.username,
            people.c.is_active,
            people.c.tasks,
            people.c.last_run,
            people.c.last_run_is_known,
            people.c.failures,
            select(func.count()).select_from(failed).scalar_subquery() >= most_failures,
        )
        .order_by((column.desc() if descending else column.asc()).nulls_last(), people.c.id)
        .limit(limit)
        .offset(offset)
    ).all()
    found = [
        ReviewRow(user_id, username, is_active, amount, last, bool(is_known), failed_24h)
        for user_id, username, is_active, amount, last, is_known, failed_24h, _ in rows
    ]
    return Review(found, any(row[7] for row in rows))


def tasks_of(
    session: Session, user_id: int, *, before_id: int | None = None, limit: int
) -> Sequence[Task]:
    """A person's newest tasks, older than *before_id*."""
    query = select(Task).where(Task.created_by == user_id, Task.deleted_at.is_(None))
    if before_id is not None:
        query = query.where(Task.id < before_id)
    return session.scalars(query.order_by(Task.id.desc()).limit(limit)).all()


def _people(amounts: CTE, recent: CTE, rest: CTE, older: CTE, failures: CTE, asked: int) -> CTE:
    """Everybody with everything that the page tells of them.

    Materialized, for the sake of the joins: for the first hundred rows alone, PostgreSQL would
    look through the other tables once for each row.
    """
    return (
        select(
            User.id,
            User.username,
            User.username_key,
            User.is_active,
            func.coalesce(amounts.c.tasks, 0).label("tasks"),
            func.coalesce(recent.c.last_run, older.c.last_run).label("last_run"),
            (func.coalesce(rest.c.upto, 0) <= asked).label("last_run_is_known"),
            func.coalesce(failures.c.failures, 0).label("failures"),
        )
        .outerjoin(amounts, amounts.c.created_by == User.id)
        .outerjoin(recent, recent.c.created_by == User.id)
        .outerjoin(rest, rest.c.created_by == User.id)
        .outerjoin(older, older.c.created_by == User.id)
        .outerjoin(failures, failures.c.created_by == User.id)
        .cte("people")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )


def _amounts() -> CTE:
    """Tasks of each person. Both counts are read in indexes, without the tasks themselves."""

    def count(query: Any) -> Any:
        return query.group_by(Task.created_by).subquery()

    every = count(select(Task.created_by, func.count().label("tasks")))
    deleted = count(
        select(Task.created_by, func.count().label("tasks")).where(Task.deleted_at.is_not(None))
    )
    return (
        select(
            every.c.created_by,
            (every.c.tasks - func.coalesce(deleted.c.tasks, 0)).label("tasks"),
        )
        .outerjoin(deleted, deleted.c.created_by == every.c.created_by)
        .cte("amounts")
    )


def _last_of_newest(most: int) -> CTE:
    """The last run of people who have one among the newest."""
    newest = (
        select(TaskResult.task_id, TaskResult.queued_at)
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery("newest")
    )
    run = select(_author_of(newest).label("created_by"), newest.c.queued_at).subquery(
        "newest_with_author"
    )
    return (
        select(run.c.created_by, func.max(run.c.queued_at).label("last_run"))
        .group_by(run.c.created_by)
        .cte("recent")
    )


def _author_of(runs: Subquery) -> ColumnElement[int | None]:
    """The author of each run's task, unless that is deleted.

    One look into an index for each: instead of a join, PostgreSQL would read all tasks.
    """
    return (
        select(Task.created_by)
        .where(Task.id == runs.c.task_id, Task.deleted_at.is_(None))
        .scalar_subquery()
    )


def _people_beyond(amounts: CTE, recent: CTE) -> CTE:
    """People without such a run; ``upto`` counts tasks, from those who have the fewest."""
    return (
        select(
            amounts.c.created_by,
            func.sum(amounts.c.tasks)
            .over(order_by=(amounts.c.tasks, amounts.c.created_by))
            .label("upto"),
        )
        .outerjoin(recent, recent.c.created_by == amounts.c.created_by)
        .where(recent.c.created_by.is_(None), amounts.c.tasks > 0)
        .cte("rest")
    )


def _last_of_each_task(rest: CTE, most: int) -> CTE:
    """The last run of as many of them as fit: one look into an index for each task."""
    last_of_task = (
        select(TaskResult.queued_at)
        .where(TaskResult.task_id == Task.id)
        .order_by(TaskResult.due_at.desc())
        .limit(1)
        .correlate(Task)
        .scalar_subquery()
    )
    last = (
        select(func.max(last_of_task))
        .where(Task.created_by == rest.c.created_by, Task.deleted_at.is_(None))
        .correlate(rest)
        .scalar_subquery()
    )
    return select(rest.c.created_by, last.label("last_run")).where(rest.c.upto <= most).cte("older")


def _newest_failures(most: int) -> CTE:
    """Failures of the last 24 hours, read in an index of runs that have an error."""
    newest = (
        select(TaskResult.task_id, TaskResult.finished_at)
        # A run that is tried again has an error, too.
        .where(TaskResult.error_type.is_not(None), TaskResult.state == RunState.FAILED)
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery("newest_failures")
    )
    return (
        select(_author_of(newest).label("created_by"))
        .where(newest.c.finished_at > _a_day_ago())
        .cte("failed")
    )


def _failures_of_each(failed: CTE) -> CTE:
    return (
        select(failed.c.created_by, func.count().label("failures"))
        .group_by(failed.c.created_by)
        .cte("failures")
    )
