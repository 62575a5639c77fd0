"""Due times of single runs, intervals and slots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from taskadmin.schedules import make_schedule

SLOT = 300.0

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

HOUR = timedelta(hours=1)


def test_a_single_run_is_due_once() -> None:
    """Also in the past, unless the current time is given."""
    once = make_schedule("once", once_at=NOON)
    tick = timedelta(microseconds=1)
    assert once.next_after(NOON - tick, slot_interval_seconds=SLOT) == NOON
    assert once.next_after(NOON, slot_interval_seconds=SLOT) is None
    assert once.last_until(NOON, slot_interval_seconds=SLOT) == NOON
    assert once.last_until(NOON - tick, slot_interval_seconds=SLOT) is None
    assert once.count_between(NOON - tick, NOON, 9, slot_interval_seconds=SLOT) == 1
    assert once.count_between(NOON, NOON + HOUR, 9, slot_interval_seconds=SLOT) == 0


def test_intervals_count_from_their_start() -> None:
    """The start is the first due time; the end is included."""
    start = NOON + timedelta(seconds=7)
    every = make_schedule("interval", every_seconds=3600, starts_at=start, ends_at=start + 2 * HOUR)
    assert every.next_after(NOON - 1000 * HOUR, slot_interval_seconds=SLOT) == start
    assert every.next_after(start, slot_interval_seconds=SLOT) == start + HOUR
    assert every.next_after(start + HOUR, slot_interval_seconds=SLOT) == start + 2 * HOUR
    assert every.next_after(start + 2 * HOUR, slot_interval_seconds=SLOT) is None
    assert every.last_until(NOON, slot_interval_seconds=SLOT) is None
    assert every.last_until(NOON + 1000 * HOUR, slot_interval_seconds=SLOT) == start + 2 * HOUR
    assert every.count_between(NOON, NOON + 1000 * HOUR, 9, slot_interval_seconds=SLOT) == 3


def test_intervals_without_a_start_count_from_1970() -> None:
    """Independent of when a process starts."""
    every = make_schedule("interval", every_seconds=7 * 86_400)
    due = every.next_after(NOON, slot_interval_seconds=SLOT)
    assert due == datetime(2026, 6, 4, tzinfo=UTC)
    assert due.timestamp() % (7 * 86_400) == 0


def test_the_common_slot_has_the_length_of_its_setting() -> None:
    """Also fractions of a second."""
    slot = make_schedule("slot")
    assert slot.next_after(NOON, slot_interval_seconds=300) == NOON + HOUR / 12
    assert slot.next_after(NOON, slot_interval_seconds=1.5) == NOON + timedelta(seconds=1.5)
    assert slot.last_until(NOON + HOUR / 13, slot_interval_seconds=300) == NOON
    assert slot.next_after(NOON - timedelta(microseconds=1), slot_interval_seconds=300) == NOON


def test_counting_a_million_is_arithmetic() -> None:
    """An interval of a second over 60 years, with and without a limit."""
    every = make_schedule("interval", every_seconds=1)
    end = NOON + timedelta(days=60 * 365)
    seconds = 60 * 365 * 86_400
    assert every.count_between(NOON, end, 10**12, slot_interval_seconds=SLOT) == seconds
    assert every.count_between(NOON, end, 1000, slot_interval_seconds=SLOT) == 1000
    assert every.count_between(end, NOON, 1000, slot_interval_seconds=SLOT) == 0
