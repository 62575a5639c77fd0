"""The review page: each user's number of tasks, last run and recent failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, Subquery, func, select, text, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from ...models import RunState, Task, TaskResult, User, UtcDateTime

# Limits that keep the page below 60 ms with 1,000 users, 100,000 tasks and 1,000,000 results:
# looking up each task's last run would take three times as long.

#: Number of newest runs to search for each user's last run.
SEARCHED_RUNS = 2_500
#: Maximum tasks to look up one by one, of users without a run among the newest.
LOOKED_UP = 2_000
#: Number of newest failures to count.
COUNTED_FAILURES = 2_500
#: PostgreSQL's JIT compiles queries that it estimates as expensive, since it doesn't know the
#: limits: with 1,000,000 tasks it compiles for 1.8 s what then takes 0.13 s, with 100,000 for 0.2 s
#: and 0.07 s. Disabled for this transaction only, since connections belong to the host.
_NO_JIT = text("SELECT set_config('jit', 'off', true)")
#: Sort orders of the rows.
SORT_ORDERS = ("username", "tasks", "last_run", "failures")


class _a_day_ago(FunctionElement[datetime]):  # noqa: N801 - written like an SQL function
    """24 hours before the statement began, by the database's clock."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(_a_day_ago)
def _interval(element: object, compiler: object, **kw: object) -> str:
    return "(statement_timestamp() - INTERVAL '24 hours')"


@compiles(_a_day_ago, "sqlite")
def _modifier(element: object, compiler: object, **kw: object) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-24 hours')"


class ReviewRow(NamedTuple):
    """A line of the review page."""

    user_id: int
    username: str
    is_active: bool
    tasks: int
    #: When the newest run of the user's tasks was queued.
    last_run: datetime | None
    #: False if there may be an older run that wasn't searched.
    last_run_is_known: bool
    #: Failures of the last 24 hours among the newest ``COUNTED_FAILURES`` of all users.
    failures: int


class Review(NamedTuple):
    """A page of the review."""

    rows: Sequence[ReviewRow]
    #: Whether more runs failed in 24 hours than were counted.
    is_capped: bool


def review_page(
    session: Session,
    *,
    order_by: str = "username",
    descending: bool = False,
    part: str | None = None,
    limit: int = 50,
    offset: int = 0,
    newest: int = SEARCHED_RUNS,
    looked_up: int = LOOKED_UP,
    most_failures: int = COUNTED_FAILURES,
) -> Review:
    """Return users with the number of their tasks, including users without any; one query.

    Unknown values come last in both directions.

    Args:
        order_by: One of ``SORT_ORDERS``.
        part: Part of their names, case-insensitive.
        limit: Maximum rows to return.
    """
    amounts = _amounts()
    recent = _last_of_newest(newest)
    rest = _people_beyond(amounts, recent)
    older = _last_of_each_task(rest, looked_up)
    failed = _newest_failures(most_failures)
    failures = _failures_of_each(failed)

    people = _people(amounts, recent, rest, older, failures, looked_up)
    column: ColumnElement[Any] = people.c[order_by if order_by != "username" else "username_key"]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_NO_JIT)
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
        .where(true() if part is None else people.c.username.icontains(part, autoescape=True))
        .order_by((column.desc() if descending else column.asc()).nulls_last(), people.c.id)
        .limit(limit)
        .offset(offset)
    ).all()
    page = [
        ReviewRow(user_id, username, is_active, amount, last, bool(is_known), failed_24h)
        for user_id, username, is_active, amount, last, is_known, failed_24h, _ in rows
    ]
    return Review(page, any(row[7] for row in rows))


def tasks_of(
    session: Session,
    user_id: int,
    *,
    failed: bool = False,
    before_id: int | None = None,
    limit: int,
) -> Sequence[Task]:
    """Return a user's newest tasks with ids below *before_id*.

    Args:
        failed: Only those of the failures that ``review_page`` counts.
    """
    query = select(Task).where(Task.created_by == user_id, Task.deleted_at.is_(None))
    if failed:
        newest = _newest_failed(COUNTED_FAILURES)
        recent = select(newest.c.task_id).where(newest.c.finished_at > _a_day_ago())
        query = query.where(Task.id.in_(recent))
    if before_id is not None:
        query = query.where(Task.id < before_id)
    return session.scalars(query.order_by(Task.id.desc()).limit(limit)).all()


def _people(amounts: CTE, recent: CTE, rest: CTE, older: CTE, failures: CTE, looked_up: int) -> CTE:
    """Join all users with their counts.

    Materialized, because for the first hundred rows alone PostgreSQL would choose nested loops over
    the other tables.
    """
    return (
        select(
            User.id,
            User.username,
            User.username_key,
            User.is_active,
            func.coalesce(amounts.c.tasks, 0).label("tasks"),
            func.coalesce(recent.c.last_run, older.c.last_run).label("last_run"),
            (func.coalesce(rest.c.running_total, 0) <= looked_up).label("last_run_is_known"),
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
    """Count each user's tasks; both counts are index-only scans."""

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
    """Select the last runs of users who have one among the newest."""
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
    """Select the author of each run's task, unless the task is deleted.

    A scalar subquery per run uses the index; for a join PostgreSQL would read all tasks.
    """
    return (
        select(Task.created_by)
        .where(Task.id == runs.c.task_id, Task.deleted_at.is_(None))
        .scalar_subquery()
    )


def _people_beyond(amounts: CTE, recent: CTE) -> CTE:
    """Select users without a recent run; ``running_total`` adds up tasks, fewest first."""
    return (
        select(
            amounts.c.created_by,
            func.sum(amounts.c.tasks)
            .over(order_by=(amounts.c.tasks, amounts.c.created_by))
            .label("running_total"),
        )
        .outerjoin(recent, recent.c.created_by == amounts.c.created_by)
        .where(recent.c.created_by.is_(None), amounts.c.tasks > 0)
        .cte("rest")
    )


def _last_of_each_task(rest: CTE, most: int) -> CTE:
    """Select the last runs of users within the limit, by one index lookup per task."""
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
    return (
        select(rest.c.created_by, last.label("last_run"))
        .where(rest.c.running_total <= most)
        .cte("older")
    )


def _newest_failures(most: int) -> CTE:
    """Select the failures of the last 24 hours from the index of runs with errors."""
    newest = _newest_failed(most)
    return (
        select(_author_of(newest).label("created_by"))
        .where(newest.c.finished_at > _a_day_ago())
        .cte("failed")
    )


def _newest_failed(most: int) -> Subquery:
    return (
        select(TaskResult.task_id, TaskResult.finished_at)
        # A run that is retried has an error too.
        .where(TaskResult.error_type.is_not(None), TaskResult.state == RunState.FAILED)
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery("newest_failures")
    )


def _failures_of_each(failed: CTE) -> CTE:
    return (
        select(failed.c.created_by, func.count().label("failures"))
        .group_by(failed.c.created_by)
        .cte("failures")
    )
