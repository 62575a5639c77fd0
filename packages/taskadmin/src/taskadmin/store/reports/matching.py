"""The base of the filters for runs and tasks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Self, TypeVar

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...errors import InvalidUsername
from ...models import MASKED, Task, TaskResult, User
from ..database.json_text import forms_of, value_of
from ..database.transaction import close
from ..people.usernames import normalize_host_username

State = TypeVar("State", bound=StrEnum)
Row = TypeVar("Row", Task, TaskResult)

#: Maximum rows for bulk actions on "all that match", and for counts.
MAX_MATCHING = 10_000


@dataclass(frozen=True, slots=True)
class ArgumentFilter:
    """A value that an argument must have."""

    name: str
    #: As people type it: numbers in any notation.
    value: str
    #: Jobs that mask this argument: their rows never match, or people could guess it.
    secret_of: frozenset[str] = frozenset()

    def condition(
        self, arguments: InstrumentedAttribute[dict[str, object]], job: InstrumentedAttribute[str]
    ) -> ColumnElement[bool]:
        """Return the condition over the columns with the JSON arguments and the job's name."""
        forms = sorted(forms_of(self.value))
        masked = func.coalesce(value_of(arguments, MASKED), "")
        names = {json.dumps(self.name), json.dumps(self.name, ensure_ascii=False)}
        conditions = [
            value_of(arguments, self.name, forms).in_(forms),
            *(not_(masked.contains(name, autoescape=True)) for name in sorted(names)),
        ]
        if self.secret_of:
            conditions.append(job.not_in(sorted(self.secret_of)))
        return and_(*conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching(ABC, Generic[State]):
    """A filter; None or an empty collection matches anything."""

    states: Collection[State] | None = None
    job: str | None = None
    #: Username of the task's author, case-insensitive.
    author: str | None = None
    #: Words that the task's name must all contain, case-insensitive.
    words: Sequence[str] = ()
    arguments: Sequence[ArgumentFilter] = ()
    #: Whether the filter contradicts itself and matches no row.
    nothing: bool = False

    @abstractmethod
    def in_state(self, state: State) -> Self:
        """Return a filter that also requires *state*."""

    def of_task(self) -> list[ColumnElement[bool]]:
        """Return the conditions on the task's author and name."""
        conditions = [Task.name.icontains(word, autoescape=True) for word in self.words]
        if self.author is not None:
            conditions.append(_is_by(self.author))
        if self.nothing:
            conditions.append(false())
        return conditions


def _is_by(username: str) -> ColumnElement[bool]:
    try:
        key = normalize_host_username(username).key
    except InvalidUsername:
        return false()
    return Task.created_by.in_(select(User.id).where(User.username_key == key))


def in_batches(
    session: Session,
    query: Select[Row],
    by: InstrumentedAttribute[int],
    batch: int,
    *,
    newest_first: bool = False,
) -> Iterator[Sequence[Row]]:
    """Yield all rows of *query* in order of the id *by*, in batches, without a timeout.

    The rows are detached from the session, and no transaction is open between batches.
    """
    ordered = query.order_by(by.desc() if newest_first else by).limit(batch)
    last_id: int | None = None
    while True:
        page = ordered
        if last_id is not None:
            page = page.where(by < last_id if newest_first else by > last_id)
        rows = session.scalars(page).all()
        close(session)  # an expired instance would be refreshed by a query of its own
        if rows:
            yield rows
        if len(rows) < batch:
            return
        last_id = getattr(rows[-1], by.key)
