"""Tasks that match a filter: what a list shows and exports, and what "all that match" means."""

from __future__ import annotations

import json
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
    false,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import Session, aliased, joinedload

from ..errors import InvalidUsername, TooManyTasks
from ..models import GENERATE_RANDOM_NUMBER, MASKED, RunState, Task, TaskResult, TaskSchedule, User
from ..texts import gettext, number
from .json_values import forms_of, number_in, value_of
from .remembered import Remembered
from .usernames import normalize_host_username

#: Most tasks that "all that match" may mean, and that are counted for a tab.
MOST = 10_000
#: Failed runs among which tasks are found that are failing, the newest ones.
FAILURES = 1_000
#: Own schedules whose due time is over for longer are late: nothing launches them.
LATE_AFTER = timedelta(seconds=60)

#: Of which tasks there were more than are counted, by filter and most, and what was counted: over
#: a hundred thousand tasks, counting as far takes as long as showing fifty of them.
_MANY: Remembered[int] = Remembered(seconds=10)
_LIMITS = {"lower_limit": Task.lower_limit, "upper_limit": Task.upper_limit}


class TaskState(StrEnum):
    """How it stands with a task; several may be true of one."""

    #: The launcher starts it when it is due.
    ACTIVE = "active"
    PAUSED = "paused"
    #: Its last finished run failed.
    FAILING = "failing"
    #: By its own schedule it has been due for more than ``LATE_AFTER``.
    LATE = "late"
    #: No job of its name is registered.
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True)
class TaskArgument:
    """An argument that a task has to have."""

    name: str
    #: As people write it: numbers in whatever form.
    value: str
    #: Jobs that let nobody see it: their tasks never match, or one could guess.
    secret_of: frozenset[str] = frozenset()

    def condition(self) -> ColumnElement[bool]:
        """For a WHERE clause."""
        masked = func.coalesce(value_of(Task.params, MASKED), "")
        names = {json.dumps(self.name), json.dumps(self.name, ensure_ascii=False)}
        given = [
            Task.job != GENERATE_RANDOM_NUMBER,
            value_of(Task.params, self.name).in_(sorted(forms_of(self.value))),
            *(not_(masked.contains(name, autoescape=True)) for name in sorted(names)),
        ]
        if self.secret_of:
            given.append(Task.job.not_in(sorted(self.secret_of)))
        limit, wanted = _LIMITS.get(self.name), number_in(self.value)
        if limit is None or wanted is None:
            return and_(*given)
        return or_(limit == wanted, and_(*given))


def _used_jobs() -> CTE:
    """The names of all tasks' jobs: one after the other from the index, however many tasks."""
    used = select(func.min(Task.job).label("job")).cte("used_jobs", recursive=True)
    following = select(func.min(Task.job)).where(Task.job > used.c.job).scalar_subquery()
    return used.union_all(select(following).where(used.c.job.is_not(None)))


#: One for all conditions of a statement.
_USED_JOBS = _used_jobs()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingTasks:
    """Which tasks; what is None or empty doesn't matter."""

    #: All of them are parts of the name, in whatever case.
    words: Sequence[str] = ()
    #: All of them are true of the task.
    states: Collection[TaskState] = ()
    job: str | None = None
    #: The job is one of them.
    jobs: Collection[str] | None = None
    #: Username of the author, in whatever case.
    author: str | None = None
    arguments: Sequence[TaskArgument] = ()
    #: Whether no task can be meant.
    nothing: bool = False
    #: What the states are judged by: the jobs that are registered, and the database's time.
    known_jobs: Collection[str] = ()
    moment: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause."""
        found: list[ColumnElement[bool]] = [Task.deleted_at.is_(None)]
        if self.job is not None:
            found.append(Task.job == self.job)
        if self.jobs is not None:
            found.append(Task.job.in_(sorted(self.jobs)))
        if self.author is not None:
            found.append(_is_by(self.author))
        found += [Task.name.icontains(word, autoescape=True) for word in self.words]
        found += [argument.condition() for argument in self.arguments]
        found += [self._is(state) for state in sorted(set(self.states))]
        if self.nothing:
            found.append(false())
        return found

    def ids(self, most: int) -> Subquery:
        """The ids of so many of them at most, in no order."""
        return select(Task.id).where(*self.conditions()).limit(most).subquery()

    def _is(self, state: TaskState) -> ColumnElement[bool]:
        match state:
            case TaskState.ACTIVE:
                return Task.enabled.is_(True)
            case TaskState.PAUSED:
                return Task.enabled.is_(False)
            case TaskState.FAILING:
                return Task.id.in_(_failing(FAILURES))
            case TaskState.LATE:
                assert self.moment is not None, "whoever asks for late tasks says what time it is"
                late = select(TaskSchedule.task_id).where(
                    TaskSchedule.next_due.is_not(None),  # as the index has it
                    TaskSchedule.next_due < self.moment - LATE_AFTER,
                )
                return and_(Task.enabled.is_(True), Task.id.in_(late))
            case TaskState.ORPHANED:
                jobs = select(_USED_JOBS.c.job).where(_USED_JOBS.c.job.not_in(self.known_jobs))
                return Task.job.in_(jobs)


class TaskCounts(NamedTuple):
    """How many tasks match in each state, and in all (None)."""

    by_state: Mapping[TaskState | None, int]
    #: Whether there are more failures than were looked through: more tasks may be failing.
    more_failing: bool


@cache
def _newest_failures(most: int) -> Subquery:
    return (
        select(TaskResult.task_id, TaskResult.due_at, TaskResult.state)
        .where(TaskResult.error_type.is_not(None))  # the index that isn't large
        .order_by(TaskResult.id.desc())
        .limit(most)
        .subquery()
    )


# Made once: that takes as long as a query.
@cache
def _failing(most: int) -> Any:
    """Ids of tasks whose last finished run failed, as far as it is among the newest failures."""
    newest = _newest_failures(most)
    # A subquery for each of these runs looks into an index; as a join it may well become a scan
    # of all results. Mostly there is no later run, and then it reads no row at all.
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
        newest.c.state == RunState.FAILED,  # one that is tried again has an error, too
        later_id.is_(None),
    )


def _is_by(username: str) -> ColumnElement[bool]:
    try:
        key = normalize_host_username(username).key
    except InvalidUsername:
        return false()
    return Task.created_by.in_(select(User.id).where(User.username_key == key))


def failing_tasks(session: Session, which: MatchingTasks) -> Sequence[int]:
    """Ids of the tasks that match and are failing, the newest first; ``FAILURES`` at most.

    Finding them takes as long as showing a page of them: a page does it once.
    """
    which = replace(which, states={*which.states, TaskState.FAILING})
    query = select(Task.id).where(*which.conditions()).order_by(Task.id.desc())
    return session.scalars(query).all()


def count_by_state(
    session: Session, which: MatchingTasks, *, most: int = MOST, failing: int | None = None
) -> TaskCounts:
    """How many tasks match in each state, and in all (None), by one query, rarely two.

    Each is counted up to *most*; one more stands for any number, and that it is so is
    remembered for some seconds. So is the number of failing tasks that are found among the
    newest of more failures.

    Args:
        failing: How many are failing, where that is known.
    """
    filters: dict[TaskState | None, MatchingTasks] = {None: which}
    filters |= {state: replace(which, states={*which.states, state}) for state in TaskState}
    # Not by the moment, which is another one each time.
    keys = {state: (repr(replace(one, moment=None)), most) for state, one in filters.items()}
    known = {state: _MANY.find(session, key) for state, key in keys.items()}
    found = {state: number for state, number in known.items() if number is not None}
    more_failing = TaskState.FAILING in found
    wanted = [state for state in filters if state not in found]
    if failing is not None:
        found[TaskState.FAILING] = min(failing, most + 1)
        wanted = [state for state in wanted if state != TaskState.FAILING]
    # Of those that match, the ones that aren't paused are active: where all are counted, nobody
    # need look at each of them twice.
    asked = [state for state in wanted if state != TaskState.ACTIVE]
    columns = [_number_of(filters[state].ids(most + 1)) for state in asked]
    if not more_failing:
        columns.append(_number_of(_newest_failures(FAILURES)))
    if columns:
        numbers = session.execute(select(*columns)).one()
        found |= dict(zip(asked, numbers, strict=False))
        more_failing = more_failing or numbers[-1] == FAILURES
    if TaskState.ACTIVE in wanted:
        if found[None] <= most:
            # What is remembered of the paused ones may be of before some were deleted.
            found[TaskState.ACTIVE] = max(found[None] - found[TaskState.PAUSED], 0)
        else:
            active = _number_of(filters[TaskState.ACTIVE].ids(most + 1))
            found[TaskState.ACTIVE] = session.execute(select(active)).scalar_one()
    for state in wanted:
        if found[state] > most or (state == TaskState.FAILING and more_failing):
            _MANY.keep(session, keys[state], found[state])
    return TaskCounts({state: found[state] for state in filters}, more_failing)


def _number_of(rows: Subquery) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows).scalar_subquery()


def matching_tasks(session: Session, which: MatchingTasks, *, most: int = MOST) -> Sequence[int]:
    """Ids of all tasks that match now, in order.

    Raises:
        TooManyTasks: If there are more than *most*.
    """
    query = select(Task.id).where(*which.conditions()).order_by(Task.id).limit(most + 1)
    ids = session.scalars(query).all()
    session.rollback()
    if len(ids) > most:
        raise TooManyTasks(
            gettext(
                "More than %(most)s tasks match; nothing was done."
                " Narrow the filter, by name or by state.",
                most=number(most),
            )
        )
    return ids


def tasks_in_batches(
    session: Session, which: MatchingTasks, *, batch: int = 500
) -> Iterator[Sequence[Task]]:
    """All tasks that match, in order, with their authors and schedules.

    They don't belong to the session, and no transaction is open between two batches.
    """
    after_id = 0
    while True:
        tasks = session.scalars(
            select(Task)
            .where(*which.conditions(), Task.id > after_id)
            .order_by(Task.id)
            .limit(batch)
            .options(joinedload(Task.author), joinedload(Task.schedule))
        ).all()
        session.close()  # they would be read again one by one
        if tasks:
            yield tasks
        if len(tasks) < batch:
            return
        after_id = tasks[-1].id
