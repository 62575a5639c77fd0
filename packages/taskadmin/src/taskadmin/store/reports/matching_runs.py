"""Filter runs: for lists, counts, exports and bulk actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, contains_eager

from ...errors import SearchTooLong, TooManyRuns
from ...models import RunState, Task, TaskResult
from ...translation.texts import ngettext
from ..database.cache import TimedCache
from ..database.counting import count_up_to
from ..database.outage import is_canceled
from ..database.transaction import reading
from ..runs.lists import for_lists, task_not_deleted
from .matching import MAX_MATCHING, Matching, in_batches

#: Statement timeout of PostgreSQL while a page is loading, in seconds. SQLite has no timeout.
SEARCH_SECONDS = 4.0
_OPEN_STATES = frozenset({RunState.QUEUED, RunState.RUNNING})
#: States that an index selects, or nearly so.
_INDEXED_STATES = (RunState.QUEUED, RunState.RUNNING, RunState.FAILED)
#: Filters and caps of which more runs match than are counted. Counting that far costs as much as
#: the rest of the page, and some seconds later there will hardly be fewer.
_ABOVE_CAP: TimedCache[bool] = TimedCache(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRuns(Matching[RunState]):
    """A filter for runs."""

    task_id: int | None = None
    launch_id: int | None = None
    error_type: str | None = None
    #: An exception's name, with or without its module.
    error_name: str | None = None
    queue: str | None = None
    #: Part of the worker's name, case-insensitive.
    worker: str | None = None
    #: Runs that were unfinished at some time since then.
    since: datetime | None = None
    #: Runs that finished before then.
    until: datetime | None = None

    def in_state(self, state: RunState) -> MatchingRuns:
        """Return a filter that also requires *state*; if this one excludes it, nothing matches."""
        other = self.states is not None and state not in self.states
        return replace(self, states=[state], nothing=self.nothing or other)

    @property
    def needs_task(self) -> bool:
        """Whether ``conditions`` use columns of the task, which must then be joined."""
        return self.author is not None or bool(self.words)

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a WHERE clause."""
        columns = {
            TaskResult.task_id: self.task_id,
            TaskResult.launch_id: self.launch_id,
            TaskResult.job: self.job,
            TaskResult.error_type: self.error_type,
            TaskResult.queue: self.queue,
        }
        conditions = [column == value for column, value in columns.items() if value is not None]
        if self.error_name is not None:
            conditions += [
                TaskResult.error_type.is_not(None),  # the index's predicate
                or_(
                    TaskResult.error_type == self.error_name,
                    TaskResult.error_type.endswith(f".{self.error_name}", autoescape=True),
                ),
            ]
        if self.worker is not None:
            conditions.append(TaskResult.worker.icontains(self.worker, autoescape=True))
        ended = TaskResult.finished_at
        if self.since is not None and self.until is None:
            conditions.append(or_(ended.is_(None), ended >= self.since))
        elif self.since is not None:
            conditions.append(ended >= self.since)
        if self.until is not None:
            conditions.append(ended < self.until)
        conditions += self.of_task()
        conditions += [
            argument.condition(TaskResult.task_params, TaskResult.job)
            for argument in self.arguments
        ]
        return [task_not_deleted(), *self._of_state(), *conditions]

    def _of_state(self) -> list[ColumnElement[bool]]:
        # No index has the state, but partial indexes have what it implies: finding the few open or
        # failed runs reads no large table.
        if self.states is None:
            return []
        conditions: list[ColumnElement[bool]] = [TaskResult.state.in_(self.states)]
        if set(self.states) <= _OPEN_STATES:
            conditions.append(TaskResult.finished_at.is_(None))
        if set(self.states) == {RunState.FAILED}:
            conditions.append(TaskResult.error_type.is_not(None))
        return conditions


@contextmanager
def searching(session: Session, *, seconds: float = SEARCH_SECONDS) -> Iterator[None]:
    """Read within a statement timeout, and roll back.

    Raises:
        SearchTooLong: If a statement took longer than *seconds*.
    """
    try:
        with reading(session, seconds=seconds):
            yield
    except DBAPIError as error:
        if not is_canceled(error):
            raise
        raise SearchTooLong from error


def page_of_matching(
    session: Session, which: MatchingRuns, *, before_id: int | None = None, limit: int
) -> Sequence[TaskResult]:
    """Return the newest matching runs with their tasks and ids below *before_id*; two queries.

    Raises:
        SearchTooLong: If the query timed out.
    """
    query = _ids(which)
    if before_id is not None:
        query = query.where(TaskResult.id < before_id)
    with searching(session):
        ids = session.scalars(query.order_by(TaskResult.id.desc()).limit(limit)).all()
    if not ids:
        return []
    return session.scalars(
        select(TaskResult)
        .join(TaskResult.task)
        .where(TaskResult.id.in_(ids), Task.deleted_at.is_(None))
        .order_by(TaskResult.id.desc())
        .options(*for_lists(), contains_eager(TaskResult.task).load_only(Task.name))
    ).all()


def runs_in_batches(
    session: Session, which: MatchingRuns, *, batch: int = 500
) -> Iterator[Sequence[TaskResult]]:
    """Yield all matching runs with their tasks in batches, newest first; see ``in_batches``."""
    query = select(TaskResult).join(TaskResult.task).where(*which.conditions())
    query = query.options(contains_eager(TaskResult.task))
    return in_batches(session, query, TaskResult.id, batch, newest_first=True)


def matching_runs(
    session: Session, which: MatchingRuns, *, batch: int = 1_000, most: int = MAX_MATCHING
) -> Iterator[list[int]]:
    """Yield the ids of all matching runs in order, in batches.

    All ids are read before the first batch, so that changing one batch doesn't change the next.

    Raises:
        TooManyRuns: If more than *most* match, before anything is yielded.
        SearchTooLong: If the query timed out.
    """
    with searching(session):
        ids = session.scalars(_ids(which).order_by(TaskResult.id).limit(most + 1)).all()
    if len(ids) > most:
        raise TooManyRuns(
            ngettext(
                "Nothing was done: more than %(num)s run matches. Narrow the filter by task or"
                " state.",
                "Nothing was done: more than %(num)s runs match. Narrow the filter by task or"
                " state.",
                most,
            )
        )
    for begin in range(0, len(ids), batch):
        yield list(ids[begin : begin + batch])


def newest_matching(
    session: Session, which: MatchingRuns, *, most: int = MAX_MATCHING
) -> list[int]:
    """Return the ids of the newest matching runs in order, at most *most*.

    Raises:
        SearchTooLong: If the query timed out.
    """
    with searching(session):
        ids = session.scalars(_ids(which).order_by(TaskResult.id.desc()).limit(most)).all()
    return sorted(ids)


class RunCounts(NamedTuple):
    """The number of matching runs where it is cheap to know; one above the cap means "more"."""

    #: The total; None if the count timed out.
    total: int | None
    #: By state; unknown counts are left out.
    by_state: Mapping[RunState, int]


def count_matching(session: Session, which: MatchingRuns, *, most: int = MAX_MATCHING) -> RunCounts:
    """Count matching runs by at most two statements.

    Up to *most* runs are counted by state. If there are more, only the open and failed ones are
    counted, which have indexes. That there are more than *most* is cached for some seconds.
    """
    total = most + 1 if _are_many(session, which, most) else None
    if total is None:
        try:
            by_state = _count_by_state(session, which, most)
            total = sum(by_state.values())
        except SearchTooLong:
            pass
        else:
            if total <= most:
                return RunCounts(total, {state: by_state.get(state, 0) for state in RunState})
            _ABOVE_CAP.set(session, (repr(which), most), True)
    if total is not None and which.states is not None and len(set(which.states)) == 1:
        return RunCounts(total, dict.fromkeys(which.states, total))
    return RunCounts(total, _count_cheap(session, which, most))


def _count_by_state(session: Session, which: MatchingRuns, most: int) -> Mapping[RunState, int]:
    """Count runs by state; if the counts add up to more than *most*, the rest wasn't counted.

    Raises:
        SearchTooLong: If the query timed out.
    """
    with searching(session):
        if which.states is not None and len(set(which.states)) == 1:
            (state,) = set(which.states)
            return {state: session.execute(select(count_up_to(_ids(which), most + 1))).scalar_one()}
        rows = _select(TaskResult.state, which).limit(most + 1).subquery()
        counted = session.execute(select(rows.c.state, func.count()).group_by(rows.c.state))
        return {RunState(state): number for state, number in counted.all()}


def _count_cheap(session: Session, which: MatchingRuns, most: int) -> Mapping[RunState, int]:
    """Count runs in the states that have an index; return nothing if the query timed out."""
    filters = {
        state: replace(which, states=[state])
        for state in _INDEXED_STATES
        if which.states is None or state in which.states
    }
    counts = {state: most + 1 for state, one in filters.items() if _are_many(session, one, most)}
    missing = {state: one for state, one in filters.items() if state not in counts}
    if missing:
        columns = [count_up_to(_ids(one), most + 1) for one in missing.values()]
        try:
            with searching(session):
                numbers = tuple(session.execute(select(*columns)).one())
        except SearchTooLong:
            return {}
        counts |= dict(zip(missing, numbers, strict=True))
        for state, one in missing.items():
            if counts[state] > most:
                _ABOVE_CAP.set(session, (repr(one), most), True)
    return {state: counts[state] for state in filters}


def _are_many(session: Session, which: MatchingRuns, most: int) -> bool:
    return _ABOVE_CAP.get(session, (repr(which), most)) is not None


def _ids(which: MatchingRuns) -> Select[int]:
    return _select(TaskResult.id, which)


def _select(column: Any, which: MatchingRuns) -> Select[Any]:
    query = select(column).where(*which.conditions())
    return query.join(TaskResult.task) if which.needs_task else query
