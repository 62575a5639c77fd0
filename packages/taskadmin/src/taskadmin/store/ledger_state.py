"""The launchers' common memory: when they ticked, what they watched, what they counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..models import LedgerState
from .clock import now
from .transaction import ledger_transaction


class Watch(NamedTuple):
    """What a turn that begins may conclude."""

    moment: datetime
    #: Whether turns came without a gap for one lease: who was silent that long is gone.
    #: After an outage of the database everybody looks silent.
    whole_lease: bool
    #: Whether this is the first turn of a minute: for what needn't be looked at on every tick.
    new_minute: bool
    #: Since then turns came without a gap: what was due later was never missed.
    since: datetime


def begin_turn(session: Session, *, lease: timedelta, tick: timedelta) -> Watch:
    """Note that a launcher's turn begins."""
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


def count(session: Session, **done: int) -> None:
    """Add to counters: ``count(session, taken_back=3)``; nothing is written for zeros."""
    changes = {name: getattr(LedgerState, name) + number for name, number in done.items() if number}
    if not changes:
        return
    with ledger_transaction(session):
        session.execute(
            update(LedgerState).where(LedgerState.id == 1).values(**changes),
            execution_options={"synchronize_session": False},
        )


def ledger_state(session: Session) -> LedgerState:
    """The row, fresh from the database."""
    return session.execute(
        select(LedgerState).where(LedgerState.id == 1).execution_options(populate_existing=True)
    ).scalar_one()
