"""Open one launch per slot, and find launches without an owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ...models import Launch, LaunchKind, LaunchState, LedgerState, Task
from ..database.clock import now, slot_of
from ..database.dialect import insert_with_conflicts
from ..database.transaction import end_reading, ledger_transaction
from .launches import IS_OPEN_LAUNCH


def open_slot(session: Session, interval_seconds: float) -> int | None:
    """Open the slot that is due by the database's clock, and return the launch's id.

    Return None if it was opened before, or is so old that it may have been pruned.
    If several launchers call this at once, one of them gets the launch.
    """
    moment = now(session)
    slot = slot_of(moment, interval_seconds)
    # Read first: every tick calls this, and most ticks find nothing to do.
    state = session.execute(
        select(Launch.state).where(Launch.kind == LaunchKind.SLOT, Launch.slot == slot)
    ).scalar()
    pruned_before = session.execute(select(LedgerState.pruned_before)).scalar()
    end_reading(session)
    if state is not None and state != LaunchState.MISSED:
        return None
    if pruned_before is not None and slot <= pruned_before:
        return None  # the clock was set back beyond the pruned slots
    with ledger_transaction(session):
        values = {
            "kind": LaunchKind.SLOT,
            "slot": slot,
            "interval_seconds": interval_seconds,
            "state": LaunchState.OPENING,
            "opened_at": moment,
            "after_task_id": 0,
            # Fixed now: tasks that are added while pages are inserted belong to the next slot.
            "upto_task_id": func.coalesce(select(func.max(Task.id)).scalar_subquery(), 0),
        }
        statement = insert_with_conflicts(session, Launch.__table__).values(values)
        launch_id: int | None = session.execute(
            # If the clock jumped forward and back, the current slot may be recorded as missed.
            statement.on_conflict_do_update(
                index_elements=[Launch.slot],
                index_where=Launch.kind == LaunchKind.SLOT,
                set_={
                    "state": LaunchState.OPENING.value,
                    "reason": None,
                    "opened_at": moment,
                    "upto_task_id": statement.excluded.upto_task_id,
                },
                where=Launch.state == LaunchState.MISSED,
            ).returning(Launch.id)
        ).scalar()
    return launch_id


class OpenLaunch(NamedTuple):
    """An open launch without a live owner."""

    id: int
    #: Whether its owner is gone; otherwise it is new or was released.
    abandoned: bool


def resumable(session: Session) -> Sequence[OpenLaunch]:
    """Return open launches without a live owner, oldest first."""
    moment = now(session)
    rows = session.execute(
        select(Launch.id, Launch.owner.is_not(None))
        .where(
            IS_OPEN_LAUNCH,
            Launch.state == LaunchState.OPENING,
            or_(Launch.owner.is_(None), Launch.owner_until < moment),
        )
        .order_by(Launch.id)
        .limit(100)
    ).all()
    end_reading(session)
    return [OpenLaunch(*row) for row in rows]
