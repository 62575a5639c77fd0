"""The audit trail: written in the transaction of what it tells of, read by superusers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, insert, or_, select
from sqlalchemy.orm import Session

from ..models import AuditEntry, Task, TaskResult, User
from .clock import database_now

#: What is done to tasks, runs and users, as a verb.
ACTIONS = (
    *("registered", "created", "changed", "cloned", "paused", "resumed", "deleted"),
    *("started", "retried", "cancelled", "discarded"),
)
#: Longest text of one value in ``before`` and ``after``, in characters.
_VALUE = 2_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where."""

    #: None: nobody with an account.
    user_id: int | None
    name: str
    #: A network address, "command line" or "taskadmin".
    source: str


#: taskadmin itself: what happens by a rule that people set earlier.
TASKADMIN = Actor(None, "taskadmin", "taskadmin")


class Subject(NamedTuple):
    """What something is done to; named, because the entry outlives it."""

    #: "task", "run" or "user".
    kind: str
    id: int
    name: str


class Change(NamedTuple):
    """A subject with what changed of it."""

    subject: Subject
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def subject_of(thing: Task | TaskResult | User) -> Subject:
    """How the trail names a row."""
    kind = {Task: "task", TaskResult: "run", User: "user"}[type(thing)]
    return Subject(kind, thing.id, str(thing))


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: Subject,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry inside the caller's transaction.

    Args:
        action: A verb of ``ACTIONS``.
        before: What changed, by name; secrets are masked by the caller.
        after: The same names, as they are now.
    """
    record_many(session, actor, action, [Change(subject, before, after)])


def record_many(session: Session, actor: Actor, action: str, changes: Iterable[Change]) -> None:
    """Add an entry for each change inside the caller's transaction, by one statement."""
    rows = [
        {
            "actor_id": actor.user_id,
            "actor": _text(actor.name, 200),
            "source": _text(actor.source, 100),
            "action": _text(action, 32),
            "subject_kind": subject.kind,
            "subject_id": subject.id,
            "subject": _text(subject.name, 200),
            "before": None if before is None else _jsonable(before),
            "after": None if after is None else _jsonable(after),
        }
        for subject, before, after in changes
    ]
    if rows:
        session.execute(insert(AuditEntry.__table__).values(at=database_now()), rows)  # type: ignore[arg-type]


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed only, by name; a name that one side doesn't have is None there."""
    # By their text as well: True == 1 == 1.0 in Python, and neither in a form nor in JSON.
    names = [
        name
        for name in {**before, **after}
        if before.get(name) != after.get(name) or repr(before.get(name)) != repr(after.get(name))
    ]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries; what is None doesn't matter."""

    actor_id: int | None = None
    action: str | None = None
    subject_kind: str | None = None
    subject_id: int | None = None
    #: A part of the actor's or the subject's name, in whatever case.
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause."""
        columns = {
            AuditEntry.actor_id: self.actor_id,
            AuditEntry.action: self.action,
            AuditEntry.subject_kind: self.subject_kind,
            AuditEntry.subject_id: self.subject_id,
        }
        found = [column == value for column, value in columns.items() if value is not None]
        if self.text:
            part = self.text.replace("\0", "")
            found.append(
                or_(
                    AuditEntry.actor.icontains(part, autoescape=True),
                    AuditEntry.subject.icontains(part, autoescape=True),
                )
            )
        return found


class Entry(NamedTuple):
    """A line of the trail."""

    id: int
    at: datetime
    actor_id: int | None
    actor: str
    source: str
    action: str
    subject_kind: str
    subject_id: int
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def page(
    session: Session, which: Filter, *, before_id: int | None = None, limit: int
) -> Sequence[Entry]:
    """The newest entries, older than *before_id*."""
    columns = [getattr(AuditEntry, name) for name in Entry._fields]
    query = select(*columns).where(*which.conditions())
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return [
        Entry(*row) for row in session.execute(query.order_by(AuditEntry.id.desc()).limit(limit))
    ]


def entries(session: Session, which: Filter, *, batch: int = 1000) -> Iterator[Entry]:
    """All entries, the newest first; no transaction is open between two batches of them."""
    before_id = None
    while True:
        found = page(session, which, before_id=before_id, limit=batch)
        session.rollback()
        yield from found
        if len(found) < batch:
            return
        before_id = found[-1].id


def _text(text: str, length: int) -> str:
    # PostgreSQL stores no NUL.
    return text.replace("\0", "")[:length]


def _jsonable(value: Any) -> Any:
    """*value* as JSON has it; what JSON doesn't know becomes text."""
    match value:
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {_text(str(name), _VALUE): _jsonable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_jsonable(inner) for inner in value]
        case set() | frozenset():
            return sorted((_jsonable(inner) for inner in value), key=str)
        case _:
            return _text(str(value), _VALUE)
