"""Runs that match a filter: what a list shows, what is counted, and what "all that match" means."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, false, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, contains_eager

from ..errors import InvalidUsername, SearchTooLong, TooManyRuns
from ..models import RunState, Task, TaskResult, User
from ..texts import ngettext
from .living import is_of_living_task
from .remembered import Remembered
from .run_arguments import WantedArgument
from .transaction import reading
from .usernames import normalize_host_username

#: Most runs that "all that match" may mean, and that are counted.
MOST = 10_000
#: Seconds that PostgreSQL may look for runs while somebody waits for the page. SQLite has no
#: such limit.
PATIENCE = 4.0
#: SQLSTATE of a statement that took longer than it may (PostgreSQL's documentation, Appendix A).
_CANCELED = "57014"
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})
#: States that an index finds, or nearly so.
_CHEAP = (RunState.QUEUED, RunState.RUNNING, RunState.FAILED)
#: Of which runs there were more than are counted, by filter and most. Counting that far costs
#: as much as the rest of a page, and there will hardly be fewer in some seconds.
_MANY: Remembered[bool] = Remembered(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which runs; what is None or empty doesn't matter."""

    task_id: int | None = None
    launch_id: int | None = None
    job: str | None = None
    states: Collection[RunState] | None = None
    error_type: str | None = None
    #: An exception's name, with its module or without.
    error_name: str | None = None
    queue: str | None = None
    #: A part of the worker's name, in whatever case.
    worker: str | None = None
    #: Username of the task's author, in whatever case.
    author: str | None = None
    #: All of them are parts of the task's name, in whatever case.
    words: Sequence[str] = ()
    arguments: Sequence[WantedArgument] = ()
    #: Whether no run can be meant.
    nothing: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether anything but the state is asked for."""
        return replace(self, states=None) != Matching()

    @property
    def needs_task(self) -> bool:
        """Whether ``conditions`` are about the task, too, which then has to be joined."""
        return self.author is not None or bool(self.words)

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause."""
        columns = {
            TaskResult.task_id: self.task_id,
            TaskResult.launch_id: self.launch_id,
            TaskResult.job: self.job,
            TaskResult.error_type: self.error_type,
            TaskResult.queue: self.queue,
        }
        found = [column == value for column, value in columns.items() if value is not None]
        if self.error_name is not None:
            found += [
                TaskResult.error_type.is_not(None),  # as the index has it
                or_(
                    TaskResult.error_type == self.error_name,
                    TaskResult.error_type.endswith(f".{self.error_name}", autoescape=True),
                ),
            ]
        if self.worker is not None:
            found.append(TaskResult.worker.icontains(self.worker, autoescape=True))
        if self.author is not None:
            found.append(_is_by(self.author))
        found += [Task.name.icontains(word, autoescape=True) for word in self.words]
        found += [argument.condition() for argument in self.arguments]
        if self.nothing:
            found.append(false())
        return [is_of_living_task(), *self._of_state(), *found]

    def _of_state(self) -> list[ColumnElement[bool]]:
        # The state stands in no index. What is implied by it does: no large table is read for
        # the few runs that are open, or failed.
        if self.states is None:
            return []
        found: list[ColumnElement[bool]] = [TaskResult.state.in_(self.states)]
        if set(self.states) <= _OPEN:
            found.append(TaskResult.finished_at.is_(None))
        if set(self.states) == {RunState.FAILED}:
            found.append(TaskResult.error_type.is_not(None))
        return found


def _is_by(username: str) -> ColumnElement[bool]:
    try:
        key = normalize_host_username(username).key
    except InvalidUsername:
        return false()
    return Task.created_by.in_(select(User.id).where(User.username_key == key))


@contextmanager
def searching(session: Session, *, seconds: float = PATIENCE) -> Iterator[None]:
    """A transaction that ends without a change, and in time.

    Raises:
        SearchTooLong: If a statement took longer than *seconds*.
    """
    try:
        with reading(session, seconds=seconds):
            yield
    except DBAPIError as error:
        # psycopg's name for it, and psycopg2's.
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if code != _CANCELED:
            raise
        raise SearchTooLong from error


def page_of_matching(
    session: Session, which: Matching, *, before_id: int | None = None, limit: int
) -> Sequence[TaskResult]:
    """The newest runs that match, with their tasks, older than *before_id*; two queries.

    Raises:
        SearchTooLong: If the database didn't find them in time.
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
        .options(contains_eager(TaskResult.task))
    ).all()


def matching_in_batches(
    session: Session, which: Matching, *, batch: int = 500
) -> Iterator[Sequence[TaskResult]]:
    """All runs that match, the newest first, as long as it takes; they don't belong to the session.

    No transaction is open between two batches.
    """
    before_id = None
    while True:
        query = (
            select(TaskResult)
            .join(TaskResult.task)
            .where(*which.conditions())
            .order_by(TaskResult.id.desc())
            .limit(batch)
            .options(contains_eager(TaskResult.task))
        )
        if before_id is not None:
            query = query.where(TaskResult.id < before_id)
        runs = session.scalars(query).all()
        session.close()  # they would be read again one by one
        if runs:
            yield runs
        if len(runs) < batch:
            return
        before_id = runs[-1].id


def matching_runs(
    session: Session, which: Matching, *, batch: int = 1_000, most: int = MOST
) -> Iterator[list[int]]:
    """Ids of all runs that match now, in order, in batches.

    They are looked up at once, before the first batch: what is done to one batch doesn't
    change which the next ones are.

    Raises:
        TooManyRuns: If there are more than *most*, before anything was yielded.
        SearchTooLong: If the database didn't find them in time.
    """
    with searching(session):
        ids = session.scalars(_ids(which).order_by(TaskResult.id).limit(most + 1)).all()
    if len(ids) > most:
        raise TooManyRuns(
            ngettext(
                "More than %(num)s run matches; nothing was done."
                " Narrow the filter, by task or by state.",
                "More than %(num)s runs match; nothing was done."
                " Narrow the filter, by task or by state.",
                most,
            )
        )
    for begin in range(0, len(ids), batch):
        yield list(ids[begin : begin + batch])


def newest_matching(session: Session, which: Matching, *, most: int = MOST) -> list[int]:
    """Ids of the newest runs that match, in order, and no more than *most*.

    Raises:
        SearchTooLong: If the database didn't find them in time.
    """
    with searching(session):
        ids = session.scalars(_ids(which).order_by(TaskResult.id.desc()).limit(most)).all()
    return sorted(ids)


class Counts(NamedTuple):
    """How many runs match, as far as that is cheap to know; one more than the most is any number."""

    #: In all; None if the database didn't count them in time.
    total: int | None
    #: Of each state; those that aren't known are left out.
    by_state: Mapping[RunState, int]


def count_matching(session: Session, which: Matching, *, most: int = MOST) -> Counts:
    """Count runs, by one statement or two, or by none.

    Up to *most* runs are counted by state. Of more, only those are that an index finds: the open
    and the failed ones. That there are more than *most* is remembered for some seconds.
    """
    total = most + 1 if _are_many(session, which, most) else None
    if total is None:
        try:
            found = _count_by_state(session, which, most)
            total = sum(found.values())
        except SearchTooLong:
            pass
        else:
            if total <= most:
                return Counts(total, {state: found.get(state, 0) for state in RunState})
            _MANY.keep(session, (repr(which), most), True)
    if total is not None and which.states is not None and len(set(which.states)) == 1:
        return Counts(total, dict.fromkeys(which.states, total))
    return Counts(total, _count_cheap(session, which, most))


def _count_by_state(session: Session, which: Matching, most: int) -> Mapping[RunState, int]:
    """How many there are in each state; of more than *most*, as many as are more than that.

    Raises:
        SearchTooLong: If the database didn't count them in time.
    """
    with searching(session):
        if which.states is not None and len(set(which.states)) == 1:
            (state,) = set(which.states)
            return {state: session.execute(select(_number(which, most))).scalar_one()}
        rows = _select(TaskResult.state, which).limit(most + 1).subquery()
        counted = session.execute(select(rows.c.state, func.count()).group_by(rows.c.state))
        return {RunState(state): number for state, number in counted.all()}


def _count_cheap(session: Session, which: Matching, most: int) -> Mapping[RunState, int]:
    """How many there are in those states that an index finds; nothing if even that took too long."""
    filters = {
        state: replace(which, states=[state])
        for state in _CHEAP
        if which.states is None or state in which.states
    }
    found = {state: most + 1 for state, one in filters.items() if _are_many(session, one, most)}
    wanted = {state: one for state, one in filters.items() if state not in found}
    if wanted:
        columns = [_number(one, most) for one in wanted.values()]
        try:
            with searching(session):
                numbers = tuple(session.execute(select(*columns)).one())
        except SearchTooLong:
            return {}
        found |= dict(zip(wanted, numbers, strict=True))
        for state, one in wanted.items():
            if found[state] > most:
                _MANY.keep(session, (repr(one), most), True)
    return {state: found[state] for state in filters}


def _are_many(session: Session, which: Matching, most: int) -> bool:
    return _MANY.find(session, (repr(which), most)) is not None


def _number(which: Matching, most: int) -> Any:
    ids = _ids(which).limit(most + 1).subquery()
    return select(func.count()).select_from(ids).scalar_subquery()


def _ids(which: Matching) -> Select[int]:
    return _select(TaskResult.id, which)


def _select(column: Any, which: Matching) -> Select[Any]:
    query = select(column).where(*which.conditions())
    return query.join(TaskResult.task) if which.needs_task else query
