"""The audit trail: entries are written in the transaction of the change, superusers read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, insert, or_, select
from sqlalchemy.orm import Session

from ...jobs.arguments.masking import without_passwords
from ...models import AuditEntry, NotificationChannel, Task, TaskResult, User
from ...values.showable import showable
from ...values.storable import escaped_text
from ..database.clock import database_now
from ..database.transaction import close

#: Verbs for what people do to tasks, runs and users.
AUDIT_ACTIONS = (
    *("registered", "created", "changed", "cloned", "paused", "resumed", "deleted"),
    *("started", "retried", "cancelled"),
    *("logged_in", "failed_log_in", "logged_out", "refused", "exported", "unblocked"),
)
#: Maximum length of one value's text in ``before`` and ``after``, in characters.
_MAX_VALUE_CHARACTERS = 2_000
#: Entries to search for acts, and those that are shown of an act.
_READ_ENTRIES, _LINES_OF_AN_ACT = 1_000, 20
#: Columns that all entries of an act have in common, and the longest time between two of them.
_SAME_IN_AN_ACT = ("actor_id", "actor", "source", "request_id", "action", "subject_kind")
_PAUSE_IN_AN_ACT = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or program that makes a change."""

    #: None for an actor without an account.
    user_id: int | None
    name: str
    #: A network address, "command line" or "taskadmin".
    source: str
    #: The browser's User-Agent header.
    user_agent: str | None = None
    #: The request's id in the host's log.
    request_id: str | None = None

    def named(self, user: User) -> Actor:
        """Return an actor with *user*'s name and the same address and browser."""
        return replace(self, user_id=user.id, name=user.username)


#: taskadmin itself, for changes by rules that people set earlier.
TASKADMIN = Actor(None, "taskadmin", "taskadmin")


class Subject(NamedTuple):
    """The row that was changed, with its name, because the entry outlives the row."""

    #: "task", "run", "user", "channel" or "page". Pages have the id 0.
    kind: str
    id: int
    name: str


class Change(NamedTuple):
    """A subject with its changed values."""

    subject: Subject
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def subject_of(thing: Task | TaskResult | User | NotificationChannel) -> Subject:
    """Return the subject for a row."""
    kind = {Task: "task", TaskResult: "run", User: "user", NotificationChannel: "channel"}[
        type(thing)
    ]
    return Subject(kind, thing.id, str(thing))


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: Subject,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Add an entry inside the caller's transaction.

    Args:
        action: A verb of ``AUDIT_ACTIONS``.
        before: The changed values by name; the caller masks secrets, except passwords in URLs.
        after: The new values under the same names.
    """
    record_many(session, actor, action, [Change(subject, before, after)])


def record_many(session: Session, actor: Actor, action: str, changes: Iterable[Change]) -> None:
    """Add an entry for each change by one statement, inside the caller's transaction."""
    rows = [
        {
            "actor_id": actor.user_id,
            "actor": _text(actor.name, 200),
            "source": _text(actor.source, 100),
            "user_agent": actor.user_agent and _text(actor.user_agent, 200),
            "request_id": actor.request_id and _text(actor.request_id, 128),
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
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the changed values, old and new, by name; None if one side lacks the name."""
    # Compare reprs too: True == 1 == 1.0 in Python, but not in a form or in JSON.
    names = [
        name
        for name in {**before, **after}
        if before.get(name) != after.get(name) or repr(before.get(name)) != repr(after.get(name))
    ]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries to return; None matches any."""

    actor_id: int | None = None
    action: str | None = None
    subject_kind: str | None = None
    subject_id: int | None = None
    #: Part of the actor's or subject's name or of the source, case-insensitive.
    text: str | None = None
    since: datetime | None = None
    #: Entries before then.
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a WHERE clause."""
        columns = {
            AuditEntry.actor_id: self.actor_id,
            AuditEntry.action: self.action,
            AuditEntry.subject_kind: self.subject_kind,
            AuditEntry.subject_id: self.subject_id,
        }
        conditions = [column == value for column, value in columns.items() if value is not None]
        if self.since is not None:
            conditions.append(AuditEntry.at >= self.since)
        if self.until is not None:
            conditions.append(AuditEntry.at < self.until)
        if self.text:
            part = self.text.replace("\0", "")
            conditions.append(
                or_(
                    AuditEntry.actor.icontains(part, autoescape=True),
                    AuditEntry.subject.icontains(part, autoescape=True),
                    AuditEntry.source.icontains(part, autoescape=True),
                )
            )
        return conditions


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An entry of the audit trail, as plain values."""

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
    user_agent: str | None
    request_id: str | None


AUDIT_COLUMNS = tuple(field.name for field in fields(AuditLine))


def page(
    session: Session, which: Filter, *, before_id: int | None = None, limit: int
) -> Sequence[AuditLine]:
    """Return the newest entries with ids below *before_id*."""
    return _lines(session, *_conditions(which, before_id), limit=limit)


def _conditions(which: Filter, before_id: int | None) -> list[ColumnElement[bool]]:
    older = [] if before_id is None else [AuditEntry.id < before_id]
    return [*which.conditions(), *older]


def _lines(
    session: Session, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[AuditLine]:
    columns = [getattr(AuditEntry, name) for name in AUDIT_COLUMNS]
    query = select(*columns).where(*conditions).order_by(AuditEntry.id.desc()).limit(limit)
    lines = [AuditLine(*map(showable, row)) for row in session.execute(query)]
    # Earlier releases stored the passwords of URLs.
    return [
        replace(line, before=without_passwords(line.before), after=without_passwords(line.after))
        for line in lines
    ]


class Act(NamedTuple):
    """Consecutive entries of one act, such as of pausing many tasks."""

    #: The newest ones, at most ``_LINES_OF_AN_ACT``.
    lines: Sequence[AuditLine]
    number: int
    #: Whether there may be more, because no more entries were read.
    at_least: bool
    last_id: int


def acts(
    session: Session,
    which: Filter,
    *,
    before_id: int | None = None,
    limit: int,
    are_apart: bool = False,
) -> tuple[Sequence[Act], bool]:
    """Return the newest acts with ids below *before_id*, and whether there are older ones.

    Two queries: the first reads only what tells acts apart.

    Args:
        are_apart: Whether every entry is an act.
    """
    names = ("id", "at", "subject_id", *_SAME_IN_AN_ACT)
    query = select(*(getattr(AuditEntry, name) for name in names))
    query = query.where(*_conditions(which, before_id))
    rows = session.execute(query.order_by(AuditEntry.id.desc()).limit(_READ_ENTRIES)).all()
    groups: list[list[Row[Any]]] = []
    subjects: set[int] = set()
    for row in rows:
        last = groups[-1][-1] if groups else None
        goes_on = (
            last is not None
            and not are_apart
            and row[3:] == last[3:]
            and row.subject_id not in subjects  # an act changes a thing once
            and last.at - row.at <= _PAUSE_IN_AN_ACT
        )
        if not goes_on:
            groups.append([])
            subjects.clear()
        groups[-1].append(row)
        subjects.add(row.subject_id)
    is_cut = len(rows) == _READ_ENTRIES
    if is_cut and len(groups) > 1:
        groups.pop()  # the next page begins with it
    shown = groups[:limit]
    ids = [row.id for group in shown for row in group[:_LINES_OF_AN_ACT]]
    lines = {line.id: line for line in _lines(session, AuditEntry.id.in_(ids))} if ids else {}
    found = [
        Act(
            [lines[row.id] for row in group[:_LINES_OF_AN_ACT]],
            len(group),
            is_cut and len(group) == len(rows),
            group[-1].id,
        )
        for group in shown
    ]
    return found, is_cut or len(groups) > limit


def entries(session: Session, which: Filter, *, batch: int = 1000) -> Iterator[AuditLine]:
    """Yield all entries, newest first; no transaction is open between batches."""
    before_id = None
    while True:
        found = page(session, which, before_id=before_id, limit=batch)
        close(session)
        yield from found
        if len(found) < batch:
            return
        before_id = found[-1].id


def _text(text: str, length: int) -> str:
    return escaped_text(text)[:length]


def _jsonable(value: object) -> object:
    """Convert *value* to JSON types; values of other types become text."""
    match value:
        case bool() | int() | None:
            return value
        case float():
            return showable(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {
                _text(str(name), _MAX_VALUE_CHARACTERS): _jsonable(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_jsonable(inner) for inner in value]
        case set() | frozenset():
            return sorted((_jsonable(inner) for inner in value), key=str)
        case _:
            # Masked before it is shortened, which could cut the end of a password.
            return _text(str(without_passwords(str(value))), _MAX_VALUE_CHARACTERS)
