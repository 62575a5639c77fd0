"""Slots of the common schedule that nothing launched: each is recorded, none is silently lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from ..models import Launch, LaunchKind, LaunchState, LedgerState, Task
from .clock import now, slot_of
from .dialect import insert_with_conflicts
from .transaction import end_reading, ledger_transaction

#: Slots recorded in one turn; the next one goes on.
LIMIT = 1_000
#: Slots of one gap that get a row each; the older ones share one. A clock that is set forward by
#: years would otherwise leave millions of rows, and hours until the newest slots have their turn.
MOST = 10_000


class MissedSlots(StrEnum):
    """What becomes of slots that nothing launched in time."""

    #: They are recorded, and that is all.
    SKIP = "skip"
    #: The newest one is launched late.
    RUN_ONCE = "run_once"
    #: Each of them is launched late.
    RUN_ALL = "run_all"


class Recorded(NamedTuple):
    """How many slots were recorded as missed, and how many are launched late."""

    missed: int
    late: int


def record_missed_slots(
    session: Session, interval_seconds: float, *, policy: MissedSlots, grace: timedelta
) -> Recorded:
    """Write a launch for every slot before the current one that has none, and remember up to where.

    The first turn ever, and the first with another interval, only remember: what was before
    them was nobody's slot.

    Args:
        grace: Slots that are over for longer are missed whatever the policy says.
    """
    moment = now(session)
    current = slot_of(moment, interval_seconds)
    known = session.execute(
        select(LedgerState.interval_s, LedgerState.slots_upto, LedgerState.pruned_before).where(
            LedgerState.id == 1
        )
    ).one()
    end_reading(session)
    step = timedelta(seconds=interval_seconds)
    if known.interval_s == interval_seconds and known.slots_upto is not None:
        if current - step <= known.slots_upto:  # also when the clock was set back
            return Recorded(0, 0)
        first = known.slots_upto + step
    else:
        first = current
    with ledger_transaction(session):
        locked = session.execute(
            select(LedgerState.slots_upto, LedgerState.interval_s, LedgerState.ticked_at)
            .where(LedgerState.id == 1)
            .with_for_update()
        ).one()
        if (locked.slots_upto, locked.interval_s) != (known.slots_upto, known.interval_s):
            return Recorded(0, 0)  # another launcher is at it
        slots: list[datetime] = []
        together = (current - first) // step - MOST
        oldest = first
        if together > 0:
            slots.append(first)
            first += step * together
        while first < current and len(slots) < LIMIT:
            # What was pruned was launched, or on record, though nothing shows it any more.
            if known.pruned_before is None or first > known.pruned_before:
                slots.append(first)
            first += step
        rows = [
            _row(
                slot,
                interval_seconds,
                moment,
                late=_is_late(slot, current, step, moment, policy, grace),
            )
            for slot in slots
        ]
        if together > 0:
            rows[0] |= {
                "state": LaunchState.MISSED,
                "reason": (
                    f"Nothing launched for {together} slots, from {oldest:%Y-%m-%d %H:%M:%S}"
                    f" to {oldest + step * (together - 1):%Y-%m-%d %H:%M:%S} UTC."
                ),
            }
        written = _insert(session, rows)
        session.execute(
            update(LedgerState)
            .where(LedgerState.id == 1)
            .values(slots_upto=first - step, interval_s=interval_seconds),
            execution_options={"synchronize_session": False},
        )
    late = sum(state == LaunchState.OPENING for state in written)
    return Recorded(len(written) - late + max(together - 1, 0), late)


def _is_late(
    slot: datetime,
    current: datetime,
    step: timedelta,
    moment: datetime,
    policy: MissedSlots,
    grace: timedelta,
) -> bool:
    """Whether a slot is launched after all; a slot is over when the next one begins."""
    if policy == MissedSlots.SKIP or moment - (slot + step) > grace:
        return False
    return policy == MissedSlots.RUN_ALL or slot + step == current


def _row(
    slot: datetime, interval_seconds: float, moment: datetime, *, late: bool
) -> dict[str, Any]:
    return {
        "kind": LaunchKind.SLOT,
        "slot": slot,
        "interval_s": interval_seconds,
        "state": LaunchState.OPENING if late else LaunchState.MISSED,
        "reason": (
            "Launched late: nothing launched while its slot lasted."
            if late
            else "Nothing launched while its slot lasted: was beat, launcher or database away?"
        ),
        "opened_at": moment,
        "after_task_id": 0,
    }


def _insert(session: Session, rows: list[dict[str, Any]]) -> list[LaunchState]:
    if not rows:
        return []
    upto = session.scalar(select(func.coalesce(func.max(Task.id), 0)))
    statement = (
        insert_with_conflicts(session, Launch.__table__)
        .on_conflict_do_nothing(
            # As text: bound parameters here can't be repeated for many rows.
            index_elements=[Launch.slot],
            index_where=text("kind = 'slot'"),
        )
        .returning(Launch.__table__.c.state)
    )
    found = session.execute(statement, [row | {"upto_task_id": upto} for row in rows])
    return [LaunchState(state) for state in found.scalars()]
