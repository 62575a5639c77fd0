"""State that launchers share: last turn, uninterrupted watch, counters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ...models import LedgerState
from ..database.clock import now
from ..database.transaction import ledger_transaction


class Watch(NamedTuple):
    """What a new turn knows about the turns before it."""

    moment: datetime
    #: Whether launchers have been watching for a whole lease without a gap: a process without a
    #: heartbeat for that long is gone. After a database outage, all processes look silent.
    whole_lease: bool
    #: Whether this is the first turn of a minute, for checks that needn't run in every turn.
    new_minute: bool
    #: Start of the uninterrupted watch: due times since then weren't missed.
    since: datetime


def begin_turn(session: Session, *, lease: timedelta, tick: timedelta) -> Watch:
    """Record that a launcher's turn begins."""
    gap = max(lease / 2, 3 * tick)
    with ledger_transaction(session):
        state = session.execute(
            select(LedgerState.ticked_at, LedgerState.watched_from)
            .where(LedgerState.id == 1)
            .with_for_update()
        ).one()
        moment = now(session)
        watched_from = state.watched_from
        unbroken = (
            state.ticked_at is not None
            and watched_from is not None
            and timedelta(0) <= moment - state.ticked_at <= gap
        )
        if not unbroken:
            watched_from = moment
        session.execute(
            update(LedgerState)
            .where(LedgerState.id == 1)
            .values(ticked_at=moment, watched_from=watched_from),
            execution_options={"synchronize_session": False},
        )
    minute = moment.replace(second=0, microsecond=0)
    new_minute = state.ticked_at is None or state.ticked_at < minute
    return Watch(moment, moment - watched_from >= lease, new_minute, watched_from)


def increase_counters(session: Session, **done: int) -> None:
    """Increase counters, as in ``count(session, taken_back=3)``; zeros write nothing."""
    changes = {name: getattr(LedgerState, name) + number for name, number in done.items() if number}
    if not changes:
        return
    with ledger_transaction(session):
        session.execute(
            update(LedgerState).where(LedgerState.id == 1).values(**changes),
            execution_options={"synchronize_session": False},
        )
