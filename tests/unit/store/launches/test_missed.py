"""Slots without a launch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from taskadmin.models import Launch, LaunchState, LedgerState
from taskadmin.store.launches import missed, slots
from taskadmin.store.launches.missed import MissedSlots, Recorded, record_missed_slots

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = 60.0
HOUR = timedelta(hours=1)


class Clock:
    """The database's clock, with a given time."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self, _: Session) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test sets."""
    clock = Clock()
    monkeypatch.setattr(missed, "now", clock)
    monkeypatch.setattr(slots, "now", clock)
    return clock


def record(
    session: Session, policy: MissedSlots = MissedSlots.SKIP, grace: timedelta = HOUR
) -> Recorded:
    return record_missed_slots(session, MINUTE, policy=policy, grace=grace)


def minutes_of(session: Session, state: LaunchState) -> list[int]:
    """Return the launches in this state, as minutes after T0."""
    found = session.scalars(select(Launch.slot).where(Launch.state == state).order_by(Launch.slot))
    minutes = [round((slot - T0).total_seconds() / 60) for slot in found if slot]
    session.rollback()
    return minutes


def test_the_first_turn_ever_misses_nothing(session: Session, clock: Clock) -> None:
    """Slots before the installation aren't missed."""
    assert record(session) == (0, 0)
    assert session.scalar(select(func.count()).select_from(Launch)) == 0
    assert session.get_one(LedgerState, 1, populate_existing=True).slots_upto == T0 - timedelta(
        minutes=1
    )


def test_each_slot_of_a_gap_is_recorded_once(session: Session, clock: Clock) -> None:
    """With the reason, except for the current slot; a second check adds nothing."""
    record(session)
    slots.open_slot(session, MINUTE)
    clock.now = T0 + timedelta(minutes=4, seconds=30)

    assert record(session) == (3, 0)
    assert record(session) == (0, 0)

    assert minutes_of(session, LaunchState.MISSED) == [1, 2, 3]
    assert minutes_of(session, LaunchState.OPENING) == [0]
    reason = session.scalar(
        select(Launch.reason).where(Launch.state == LaunchState.MISSED).limit(1)
    )
    assert reason == "No launcher ran during its slot: was beat, launcher or database down?"


def test_ticks_without_a_gap_record_nothing(session: Session, clock: Clock) -> None:
    """Each slot is opened in time."""
    for minute in range(5):
        clock.now = T0 + timedelta(minutes=minute, seconds=7)
        assert record(session) == (0, 0)
        assert slots.open_slot(session, MINUTE) is not None
    assert minutes_of(session, LaunchState.MISSED) == []


@pytest.mark.parametrize(
    ("policy", "late"),
    [(MissedSlots.SKIP, []), (MissedSlots.RUN_ONCE, [4]), (MissedSlots.RUN_ALL, [0, 1, 2, 3, 4])],
)
def test_the_policy_decides_which_slots_are_launched_late(
    session: Session, clock: Clock, make_task: MakeTask, policy: MissedSlots, late: list[int]
) -> None:
    """None, the newest or all; every slot of the gap has a launch."""
    record(session)
    task = make_task()
    clock.now = T0 + timedelta(minutes=5)

    assert record(session, policy) == (5 - len(late), len(late))

    assert minutes_of(session, LaunchState.OPENING) == late
    assert minutes_of(session, LaunchState.MISSED) == [n for n in range(5) if n not in late]
    upto = session.scalars(select(Launch.upto_task_id).where(Launch.state == LaunchState.OPENING))
    assert set(upto) <= {task.id}


def test_slots_past_the_grace_are_missed_whatever_the_policy(
    session: Session, clock: Clock
) -> None:
    """The grace period starts at the slot's end."""
    record(session)
    clock.now = T0 + timedelta(minutes=5)

    record(session, MissedSlots.RUN_ALL, timedelta(minutes=2))

    assert minutes_of(session, LaunchState.OPENING) == [2, 3, 4]
    assert minutes_of(session, LaunchState.MISSED) == [0, 1]


def test_a_long_gap_is_recorded_in_bounded_steps(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn writes a limited number of rows; the next one continues."""
    monkeypatch.setattr(missed, "MAX_SLOTS_PER_TURN", 10)
    record(session)
    clock.now = T0 + timedelta(minutes=25)

    assert [record(session)[0] for _ in range(4)] == [10, 10, 5, 0]
    assert minutes_of(session, LaunchState.MISSED) == list(range(25))


def test_a_changed_interval_starts_over(session: Session, clock: Clock) -> None:
    """Its earlier slots didn't exist."""
    record(session)
    clock.now = T0 + timedelta(hours=5)
    assert record_missed_slots(session, 300.0, policy=MissedSlots.SKIP, grace=HOUR) == (0, 0)
    assert minutes_of(session, LaunchState.MISSED) == []


def test_a_clock_that_is_set_back_misses_nothing(session: Session, clock: Clock) -> None:
    """The slots of the repeated hour already exist."""
    record(session)
    clock.now = T0 + HOUR
    record(session)
    before = minutes_of(session, LaunchState.MISSED)
    clock.now = T0 + timedelta(minutes=30)
    assert record(session) == (0, 0)
    assert minutes_of(session, LaunchState.MISSED) == before


def test_a_slot_that_was_missed_by_a_jumping_clock_is_opened_in_its_time(
    session: Session, clock: Clock
) -> None:
    """After an hour forward and back, each slot is launched exactly once."""
    record(session)
    clock.now = T0 + HOUR
    record(session)
    for minute in (10, 11):
        clock.now = T0 + timedelta(minutes=minute)
        assert slots.open_slot(session, MINUTE) is not None
        assert slots.open_slot(session, MINUTE) is None
    assert minutes_of(session, LaunchState.OPENING) == [10, 11]


def test_a_pruned_slot_is_not_opened_again(session: Session, clock: Clock) -> None:
    """Its launch is deleted, but it is still recorded as launched."""
    session.execute(update(LedgerState).values(pruned_before=T0))
    session.commit()
    assert slots.open_slot(session, MINUTE) is None
    clock.now = T0 + timedelta(minutes=1)
    assert slots.open_slot(session, MINUTE) is not None


def test_slots_that_were_pruned_are_not_missed(session: Session, clock: Clock) -> None:
    """With a retention shorter than a slot, deleted launches aren't missed."""
    record(session)
    session.execute(update(LedgerState).values(pruned_before=T0 + timedelta(minutes=2)))
    session.commit()
    clock.now = T0 + timedelta(minutes=5)
    assert record(session, MissedSlots.RUN_ALL) == (0, 2)
    assert minutes_of(session, LaunchState.OPENING) == [3, 4]


def test_launchers_at_once_record_a_gap_once(
    engine: Engine, session: Session, clock: Clock, at_once: AtOnce
) -> None:
    """One of them records it."""
    record(session)
    clock.now = T0 + timedelta(minutes=6)

    def look() -> Recorded:
        with Session(engine) as own:
            return record(own)

    done = at_once(*[look] * 4)

    assert sum(missed for missed, _ in done) == 6
    assert minutes_of(session, LaunchState.MISSED) == list(range(6))


def test_run_all_after_a_jump_of_years_is_bounded(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grace period limits late launches; one row stands for older slots."""
    monkeypatch.setattr(missed, "MAX_SLOTS_PER_TURN", 50)
    monkeypatch.setattr(missed, "MAX_GAP_ROWS", 100)
    record(session)
    years = 3 * 365 * 24 * 60
    clock.now = T0 + timedelta(minutes=years)

    turns = [record(session, MissedSlots.RUN_ALL, timedelta(minutes=5)) for _ in range(5)]

    assert sum(turn.missed for turn in turns) == years - 6
    assert sum(turn.late for turn in turns) == 6
    assert turns[-1] == (0, 0)
    assert session.scalar(select(func.count()).select_from(Launch)) == 101
    assert session.scalar(select(Launch.reason).order_by(Launch.slot).limit(1)) == (
        f"No launcher ran for {years - 100} slots, from {T0:%Y-%m-%d %H:%M:%S}"
        f" to {clock.now - timedelta(minutes=101):%Y-%m-%d %H:%M:%S} UTC."
    )
