"""Record slots of the common schedule that weren't launched, so that none is lost silently."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ...models import Launch, LaunchKind, LaunchState, LedgerState, Task
from ..database.clock import now, slot_of
from ..database.dialect import insert_with_conflicts
from ..database.transaction import end_reading, ledger_transaction

#: Maximum slots recorded in one turn; the next one continues.
MAX_SLOTS_PER_TURN = 1_000
#: Maximum slots of one gap that get a row each; the older ones share one. A clock that is set
#: forward by years would otherwise leave millions of rows, and delay the newest slots for hours.
MAX_GAP_ROWS = 10_000


class MissedSlots(StrEnum):
    """How to handle slots that weren't launched in time."""

    #: Record them only.
    SKIP = "skip"
    #: Launch the newest one late.
    RUN_ONCE = "run_once"
    #: Launch each of them late.
    RUN_ALL = "run_all"


class Recorded(NamedTuple):
    """Number of slots recorded as missed and launched late."""

    missed: int
    late: int


def record_missed_slots(
    session: Session, interval_seconds: float, *, policy: MissedSlots, grace: timedelta
) -> Recorded:
    """Insert a launch for every slot before the current one that has none, and store the cursor.

    The first turn ever, and the first with another interval, only store the cursor: there were no
    slots before.

    Args:
        grace: Slots that ended longer ago are missed under any policy.
    """
    moment = now(session)
    current = slot_of(moment, interval_seconds)
    state = session.execute(
        select(
            LedgerState.interval_seconds, LedgerState.slots_upto, LedgerState.pruned_before
        ).where(LedgerState.id == 1)
    ).one()
    end_reading(session)
    step = timedelta(seconds=interval_seconds)
    if state.interval_seconds == interval_seconds and state.slots_upto is not None:
        if current - step <= state.slots_upto:  # also if the clock was set back
            return Recorded(0, 0)
        first = state.slots_upto + step
    else:
        first = current
    with ledger_transaction(session):
        locked = session.execute(
            select(LedgerState.slots_upto, LedgerState.interval_seconds, LedgerState.ticked_at)
            .where(LedgerState.id == 1)
            .with_for_update()
        ).one()
        if (locked.slots_upto, locked.interval_seconds) != (
            state.slots_upto,
            state.interval_seconds,
        ):
            return Recorded(0, 0)  # another launcher has recorded them
        slots: list[datetime] = []
        together = (current - first) // step - MAX_GAP_ROWS
        oldest = first
        if together > 0:
            slots.append(first)
            first += step * together
        while first < current and len(slots) < MAX_SLOTS_PER_TURN:
            # A pruned slot was launched or recorded, although it has no row any more.
            if state.pruned_before is None or first > state.pruned_before:
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
                    f"No launcher ran for {together} slots, from {oldest:%Y-%m-%d %H:%M:%S}"
                    f" to {oldest + step * (together - 1):%Y-%m-%d %H:%M:%S} UTC."
                ),
            }
        written = _insert(session, rows)
        session.execute(
            update(LedgerState)
            .where(LedgerState.id == 1)
            .values(slots_upto=first - step, interval_seconds=interval_seconds),
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
    """Whether a slot is launched late; a slot ends when the next one begins."""
    if policy == MissedSlots.SKIP or moment - (slot + step) > grace:
        return False
    return policy == MissedSlots.RUN_ALL or slot + step == current


def _row(
    slot: datetime, interval_seconds: float, moment: datetime, *, late: bool
) -> dict[str, object]:
    return {
        "kind": LaunchKind.SLOT,
        "slot": slot,
        "interval_seconds": interval_seconds,
        "state": LaunchState.OPENING if late else LaunchState.MISSED,
        "reason": (
            "Launched late: no launcher ran during its slot."
            if late
            else "No launcher ran during its slot: was beat, launcher or database down?"
        ),
        "opened_at": moment,
        "after_task_id": 0,
    }


def _insert(session: Session, rows: list[dict[str, object]]) -> list[LaunchState]:
    if not rows:
        return []
    last_task_id = session.scalar(select(func.coalesce(func.max(Task.id), 0)))
    statement = (
        insert_with_conflicts(session, Launch.__table__)
        .on_conflict_do_nothing(
            index_elements=[Launch.slot], index_where=Launch.kind == LaunchKind.SLOT
        )
        .returning(Launch.__table__.c.state)
    )
    states = session.execute(statement, [row | {"upto_task_id": last_task_id} for row in rows])
    return [LaunchState(state) for state in states.scalars()]
