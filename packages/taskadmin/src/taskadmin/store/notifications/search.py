"""A search for events of a channel, and the notices of what it finds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    literal,
    null,
    or_,
)
from sqlalchemy.orm import Session

from ...models import (
    NOTIFY_JOB,
    EventNotice,
    NotificationRule,
    NotifiedEvent,
    RunState,
    UtcDateTime,
)
from ..database.dialect import insert_with_conflicts, is_one_of

_COLUMNS = ("channel_id", "event", "key", "noted_at", "task_id", "run_id", "error_type", "subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """A search for events of one channel, with equal rules: the same event and number."""

    session: Session
    channel_id: int
    event: NotifiedEvent
    number: int | None
    rules: Collection[NotificationRule]
    #: Rows from this time to ``upto`` are searched.
    since: datetime
    upto: datetime
    #: The database's time.
    moment: datetime
    #: Processes without a heartbeat since then consume nothing.
    alive_since: datetime

    @property
    def is_global(self) -> bool:
        """Whether one of the rules concerns all tasks."""
        return any(rule.job is None and rule.task_id is None for rule in self.rules)

    def in_scope(self, task_id: Any, job: Any) -> ColumnElement[bool]:
        """Return a condition for the tasks of the rules; deliveries are never among them."""
        if self.is_global:
            return and_(job != NOTIFY_JOB)
        ids = [rule.task_id for rule in self.rules if rule.task_id is not None]
        jobs = [rule.job for rule in self.rules if rule.job is not None]
        named = or_(is_one_of(self.session, task_id, ids), job.in_(jobs))
        return and_(named, job != NOTIFY_JOB)

    def finished(self, run: Any, *states: RunState) -> list[ColumnElement[bool]]:
        """Return conditions for runs that finished within the searched time."""
        return [
            run.finished_at > self.since,
            run.finished_at <= self.upto,
            run.state.in_(states),
            self.in_scope(run.task_id, run.job),
        ]

    def note(self, key: Any, rows: Select[Any], **columns: Any) -> None:
        """Insert a notice for each of *rows*, except for known keys."""
        values = {
            "channel_id": literal(self.channel_id),
            "event": literal(self.event.value),
            "key": key,
            "noted_at": literal(self.moment, UtcDateTime()),
            "task_id": columns.get("task_id", cast(null(), BigInteger)),
            "run_id": columns.get("run_id", cast(null(), BigInteger)),
            "error_type": columns.get("error_type", cast(null(), String)),
            "subject": columns.get("subject", cast(null(), String)),
        }
        insert: Any = insert_with_conflicts(self.session, EventNotice.__table__)
        self.session.execute(
            insert.from_select(
                _COLUMNS, rows.with_only_columns(*(values[name] for name in _COLUMNS))
            ).on_conflict_do_nothing(index_elements=["channel_id", "key"])
        )

    def note_run(self, run: Any, rows: Select[Any], key: Any = None) -> None:
        """Insert a notice for each of the runs of *rows*."""
        self.note(
            key_of(self.event, run.id) if key is None else key,
            rows,
            task_id=run.task_id,
            run_id=run.id,
            error_type=run.error_type,
        )


def add_notice(
    session: Session, channel_id: int, event: NotifiedEvent, key: str, subject: str, at: datetime
) -> None:
    """Insert a notice about no task, unless its key is known."""
    insert: Any = insert_with_conflicts(session, EventNotice.__table__)
    values = {"channel_id": channel_id, "event": event, "key": key[:250], "noted_at": at}
    session.execute(
        insert.values(**values, subject=subject[:200]).on_conflict_do_nothing(
            index_elements=["channel_id", "key"]
        )
    )


def key_of(*parts: Any) -> ColumnElement[str]:
    """Return the key of a notice: words and columns, joined with colons."""
    texts = [
        literal(str(one)) if isinstance(one, str | int) else cast(one, String) for one in parts
    ]
    key: ColumnElement[str] = texts[0]
    for text in texts[1:]:
        key = key + ":" + text
    return key
