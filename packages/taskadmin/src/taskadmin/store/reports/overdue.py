"""How overdue housekeeping is: the age of the oldest rows that it should have deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ...models import Launch, LaunchKind, LaunchState, LedgerState, Process, Task
from ..database.clock import database_now


class OldestAges(NamedTuple):
    """The age of the oldest row that each housekeeping rule deletes or counts; None if none."""

    #: Since a launch was closed.
    launch: timedelta | None
    #: Since a slot was missed.
    missed_slot: timedelta | None
    #: Since a task was deleted.
    deleted_task: timedelta | None
    #: Since a process ended.
    process: timedelta | None
    #: Since the end of the last counted minute, if minutes were ever counted.
    minute: timedelta | None


def oldest_ages(session: Session, *, slots_before: timedelta) -> OldestAges:
    """Return the ages of the rows that each rule deletes first; one query that uses indexes.

    Args:
        slots_before: Minimum age of missed slots to search for: there is no index of them.
    """
    moment = session.execute(select(database_now())).scalar_one()

    def first(column: object, *which: ColumnElement[bool]) -> ColumnElement[datetime | None]:
        return select(func.min(column)).where(*which).scalar_subquery()

    missed = (
        Launch.kind == LaunchKind.SLOT,
        Launch.slot < moment - slots_before,
        Launch.state == LaunchState.MISSED,
    )
    times = session.execute(
        select(
            first(Launch.closed_at, Launch.closed_at.is_not(None)),
            first(Launch.slot, *missed),
            first(Task.deleted_at, Task.deleted_at.is_not(None)),
            first(Process.gone_at, Process.gone_at.is_not(None)),
            first(LedgerState.counted_upto, LedgerState.id == 1),
        )
    ).one()
    return OldestAges(*(None if at is None else max(moment - at, timedelta()) for at in times))
