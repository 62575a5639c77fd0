"""Definitions of schedules, and due times that need no calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from taskadmin.schedules import InvalidSchedule, Schedule, ScheduleKind, make_schedule

SLOT = 300.0

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "schedule",
    [
        make_schedule("slot"),
        make_schedule("interval", every_seconds=60),
        make_schedule("cron", cron="0 0 * * *", zone="Pacific/Kiritimati"),
        make_schedule("cron", cron="0 0 * * *", zone="Pacific/Pago_Pago"),
    ],
    ids=lambda schedule: f"{schedule.kind}-{schedule.zone}",
)
def test_the_ends_of_the_calendar_are_no_error(schedule: Schedule) -> None:
    """There are due times from 1970 to 2999, and none outside."""
    west, east = timezone(-12 * HOUR), timezone(14 * HOUR)
    for zone in (UTC, west, east):
        first, last = datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)
        due = schedule.next_after(first, slot_interval_seconds=SLOT)
        assert due is not None
        assert due - datetime(1970, 1, 1, tzinfo=UTC) < timedelta(days=1)
        assert schedule.last_until(first, slot_interval_seconds=SLOT) is None
        assert schedule.next_after(last, slot_interval_seconds=SLOT) is None
        newest = schedule.last_until(last, slot_interval_seconds=SLOT)
        assert newest is not None
        assert datetime(3000, 1, 1, tzinfo=UTC) - newest <= timedelta(days=1)
        assert schedule.count_between(first, last, 2, slot_interval_seconds=SLOT) == 2


def test_a_moment_needs_a_zone() -> None:
    """A naive time would be read in the machine's zone."""
    naive = datetime(2026, 6, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no zone; expected an aware time"):
        make_schedule("slot").next_after(naive, slot_interval_seconds=SLOT)


def test_stored_schedules_may_have_become_invalid() -> None:
    """The error has the field and can be shown."""
    gone = Schedule(kind=ScheduleKind.CRON, cron="0 0 * * *", zone="Mars/Olympus")
    with pytest.raises(InvalidSchedule, match="Unknown time zone “Mars/Olympus”"):
        gone.next_after(NOON, slot_interval_seconds=SLOT)
