"""Filter tasks: for lists, counts, exports and bulk actions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    ScalarSelect,
    Subquery,
    and_,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session, aliased, joinedload

from ...errors import TooManyTasks
from ...models import GENERATE_RANDOM_NUMBER, NOTIFY_JOB, RunState, Task, TaskResult, TaskSchedule
from ...translation.texts import gettext, number
from ..database.cache import TimedCache
from ..database.counting import count_up_to
from ..database.json_text import number_in
from .matching import MAX_MATCHING, ArgumentFilter, Matching, in_batches

#: Number of newest failures to search for failing tasks.
SEARCHED_FAILURES = 1_000
#: A task is late if its own schedule's due time passed longer ago without a launch.
LATE_AFTER = timedelta(seconds=60)

#: Counts of filters that more tasks match than are counted: over a hundred thousand tasks, counting
#: to the cap takes as long as showing fifty of them.
_COUNTS_ABOVE_CAP: TimedCache[int] = TimedCache(seconds=10)
_LIMIT_COLUMNS = {"lower_limit": Task.lower_limit, "upper_limit": Task.upper_limit}


class TaskState(StrEnum):
    """A task's state; several may apply at once."""

    #: The launcher starts it when it is due.
    ACTIVE = "active"
    PAUSED = "paused"
    #: Its last finished run failed.
    FAILING = "failing"
    #: Its own schedule's due time passed more than ``LATE_AFTER`` ago.
    LATE = "late"
    #: Its job isn't registered.
    ORPHANED = "orphaned"


def _has(argument: ArgumentFilter) -> ColumnElement[bool]:
    given = and_(Task.job != GENERATE_RANDOM_NUMBER, argument.condition(Task.params, Task.job))
    limit, value = _LIMIT_COLUMNS.get(argument.name), number_in(argument.value)
    if limit is None or value is None:
        return given
    return or_(limit == value, given)


def _used_jobs() -> CTE:
    """Select the distinct jobs of all tasks by a loose index scan, however many tasks there are."""
    used = select(func.min(Task.job).label("job")).cte("used_jobs", recursive=True)
    following = select(func.min(Task.job)).where(Task.job > used.c.job).scalar_subquery()
    return used.union_all(select(following).where(used.c.job.is_not(None)))


#: Shared by all conditions of a statement.
_USED_JOBS = _used_jobs()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingTasks(Matching[TaskState]):
    """A filter for tasks."""

    #: States that must all apply.
    states: Collection[TaskState] = ()
    #: Jobs that match.
    jobs: Collection[str] | None = None
    #: The registered jobs and the database's time, which the states depend on.
    known_jobs: Collection[str] = ()
    moment: datetime | None = None

    def in_state(self, state: TaskState) -> MatchingTasks:
        """Return a filter that also requires *state*."""
        return replace(self, states={*self.states, state})

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a WHERE clause."""
        conditions: list[ColumnElement[bool]] = [Task.deleted_at.is_(None)]
        if self.job is not None:
            conditions.append(Task.job == self.job)
        else:  # taskadmin's own tasks are only listed on request
            conditions.append(Task.job != NOTIFY_JOB)
        if self.jobs is not None:
            conditions.append(Task.job.in_(sorted(self.jobs)))
        conditions += self.of_task()
        conditions += [_has(argument) for argument in self.arguments]
        return [*conditions, *(self._is(state) for state in sorted(set(self.states)))]

    def count_up_to(self, most: int) -> ScalarSelect[int]:
        """Return a scalar subquery that counts matching tasks; *most* means "*most* or more"."""
        return count_up_to(select(Task.id).where(*self.conditions()), most)

    def _is(self, state: TaskState) -> ColumnElement[bool]:
        match state:
            case TaskState.ACTIVE:
                return Task.enabled.is_(True)
            case TaskState.PAUSED:
                return Task.enabled.is_(False)
            case TaskState.FAILING:
                return Task.id.in_(_failing(SEARCHED_FAILURES))
            case TaskState.LATE:
                assert self.moment is not None, "a filter for late tasks needs the time"
                late = select(TaskSchedule.task_id).where(
                    TaskSchedule.next_due.is_not(None),  # the index's predicate
                    TaskSchedule.next_due < self.moment - LATE_AFTER,
                )
                return and_(Task.enabled.is_(True), Task.id.in_(late))
            case TaskState.ORPHANED:
                jobs = select(_USED_JOBS.c.job).where(_USED_JOBS.c.job.not_in(self.known_jobs))
                return Task.job.in_(jobs)


class TaskCounts(NamedTuple):
    """The number of matching tasks by state; None has the total."""

    by_state: Mapping[TaskState | None, int]
    #: Whether more failures exist than were searched: more tasks may be failing.
    more_failing: bool


@cache
def _newest_failures(most: int) -> Subquery:
    return (
        select(TaskResult.task_id, TaskResult.due_at, TaskResult.state)
        .where(TaskResult.error_type.is_not(None))  # the predicate of a small index
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery()
    )


# Cached: building it takes as long as a query.
@cache
def _failing(most: int) -> Any:
    """Select the tasks whose last finished run failed and is among the newest failures."""
    newest = _newest_failures(most)
    # A correlated subquery uses an index for each of these runs; a join may become a scan of all
    # results. Mostly there is no later run, and it reads no row.
    later = aliased(TaskResult)
    later_id = (
        select(later.id)
        .where(
            later.task_id == newest.c.task_id,
            later.due_at > newest.c.due_at,
            later.finished_at.is_not(None),
        )
        .limit(1)
        .correlate(newest)
        .scalar_subquery()
    )
    return select(newest.c.task_id).where(
        newest.c.state == RunState.FAILED,  # a run that is retried has an error too
        later_id.is_(None),
    )


def failing_task_ids(session: Session, which: MatchingTasks) -> Sequence[int]:
    """Return the ids of matching tasks that are failing, newest first, up to ``SEARCHED_FAILURES``.

    Takes as long as showing a page of them, so a page calls it once.
    """
    failing = which.in_state(TaskState.FAILING)
    query = select(Task.id).where(*failing.conditions()).order_by(Task.id.desc())
    return session.scalars(query).all()


def count_tasks_by_state(
    session: Session, which: MatchingTasks, *, most: int = MAX_MATCHING, failing: int | None = None
) -> TaskCounts:
    """Count matching tasks by state and in total (None), by one query, rarely two.

    Each count is capped at *most* + 1, and a capped count is cached for some seconds. So is the
    number of failing tasks if not all failures were searched.

    Args:
        failing: The number of failing tasks, if known.
    """
    filters: dict[TaskState | None, MatchingTasks] = {None: which}
    filters |= {state: which.in_state(state) for state in TaskState}
    # Without the moment, which differs each time.
    keys = {state: (repr(replace(one, moment=None)), most) for state, one in filters.items()}
    cached = {state: _COUNTS_ABOVE_CAP.get(session, key) for state, key in keys.items()}
    counts = {state: number for state, number in cached.items() if number is not None}
    more_failing = TaskState.FAILING in counts
    missing = [state for state in filters if state not in counts]
    if failing is not None:
        counts[TaskState.FAILING] = min(failing, most + 1)
        missing = [state for state in missing if state != TaskState.FAILING]
    # Tasks that aren't paused are active: if all are counted, subtracting saves a count.
    queried = [state for state in missing if state != TaskState.ACTIVE]
    columns = [filters[state].count_up_to(most + 1) for state in queried]
    if not more_failing:
        failures = _newest_failures(SEARCHED_FAILURES)
        columns.append(select(func.count()).select_from(failures).scalar_subquery())
    if columns:
        numbers = session.execute(select(*columns)).one()
        counts |= dict(zip(queried, numbers, strict=False))
        more_failing = more_failing or numbers[-1] == SEARCHED_FAILURES
    if TaskState.ACTIVE in missing:
        if counts[None] <= most:
            # The cached number of paused tasks may be older than a deletion.
            counts[TaskState.ACTIVE] = max(counts[None] - counts[TaskState.PAUSED], 0)
        else:
            active = filters[TaskState.ACTIVE].count_up_to(most + 1)
            counts[TaskState.ACTIVE] = session.execute(select(active)).scalar_one()
    for state in missing:
        if counts[state] > most or (state == TaskState.FAILING and more_failing):
            _COUNTS_ABOVE_CAP.set(session, keys[state], counts[state])
    return TaskCounts({state: counts[state] for state in filters}, more_failing)


def page_of_tasks(
    session: Session, which: MatchingTasks, *, before_id: int | None = None, limit: int
) -> Sequence[Task]:
    """Return the newest matching tasks with their authors and ids below *before_id*; one query."""
    query = select(Task).where(*which.conditions()).options(joinedload(Task.author))
    if before_id is not None:
        query = query.where(Task.id < before_id)
    return session.scalars(query.order_by(Task.id.desc()).limit(limit)).all()


def matching_tasks(
    session: Session, which: MatchingTasks, *, most: int = MAX_MATCHING
) -> Sequence[int]:
    """Return the ids of all matching tasks in order.

    Raises:
        TooManyTasks: If more than *most* match.
    """
    query = select(Task.id).where(*which.conditions()).order_by(Task.id).limit(most + 1)
    ids = session.scalars(query).all()
    session.rollback()
    _check_number(ids, most)
    return ids


def list_tasks(
    session: Session, which: MatchingTasks, *, most: int = MAX_MATCHING
) -> Sequence[Task]:
    """Return all matching tasks in order, with their authors and schedules.

    Raises:
        TooManyTasks: If more than *most* match.
    """
    tasks = session.scalars(
        select(Task)
        .where(*which.conditions())
        .order_by(Task.id)
        .limit(most + 1)
        .options(joinedload(Task.author), joinedload(Task.schedule))
    ).all()
    _check_number(tasks, most)
    return tasks


def _check_number(rows: Sequence[object], most: int) -> None:
    if len(rows) > most:
        raise TooManyTasks(
            gettext(
                "Nothing was done: more than %(most)s tasks match. Narrow the filter by name"
                " or state.",
                most=number(most),
            )
        )


def tasks_in_batches(
    session: Session, which: MatchingTasks, *, batch: int = 500
) -> Iterator[Sequence[Task]]:
    """Yield all matching tasks with their authors and schedules in batches; see ``in_batches``."""
    query = select(Task).where(*which.conditions())
    query = query.options(joinedload(Task.author), joinedload(Task.schedule))
    return in_batches(session, query, Task.id, batch)
