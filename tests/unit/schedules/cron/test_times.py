"""Cron at changes of clocks, in zones of both hemispheres."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskadmin.schedules import Schedule, ScheduleKind

SLOT = 300.0


def _due_times(cron: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    schedule = Schedule(kind=ScheduleKind.CRON, cron=cron, zone=zone, ends_at=end)
    found = []
    due = schedule.next_after(start - timedelta(microseconds=1), slot_interval_seconds=SLOT)
    while due is not None:
        found.append(due)
        due = schedule.next_after(due, slot_interval_seconds=SLOT)
    return found


def _local(cron: str, zone: str, day: date) -> list[str]:
    """Return a day's due times in local time with offsets."""
    where = ZoneInfo(zone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=where).astimezone(UTC)
    around = _due_times(cron, zone, noon - timedelta(days=2), noon + timedelta(days=2))
    local = [due.astimezone(where) for due in around]
    return [due.isoformat(timespec="minutes")[11:] for due in local if due.date() == day]


@pytest.mark.parametrize(
    ("zone", "hour", "minute"),
    [
        ("Europe/Berlin", 2, 30),
        ("America/New_York", 2, 30),
        ("Australia/Sydney", 2, 30),
        ("America/Santiago", 2, 30),
        ("America/Santiago", 0, 30),
        ("America/Santiago", 23, 30),
        ("Australia/Lord_Howe", 2, 30),
        ("Australia/Lord_Howe", 2, 15),
        ("Australia/Lord_Howe", 1, 45),
        ("Antarctica/Troll", 1, 30),
        ("Africa/Casablanca", 2, 30),
        ("Asia/Beirut", 0, 0),
        ("Africa/Cairo", 0, 0),
        ("America/Havana", 0, 0),
    ],
)
def test_a_daily_one_is_due_once_on_every_day(zone: str, hour: int, minute: int) -> None:
    """At its time, or right after the gap that contains it, for ten years."""
    where = ZoneInfo(zone)
    start = datetime(2020, 1, 1, tzinfo=where).astimezone(UTC)
    end = datetime(2030, 1, 1, tzinfo=where).astimezone(UTC) - timedelta(seconds=1)
    due = [
        moment.astimezone(where)
        for moment in _due_times(f"{minute} {hour} * * *", zone, start, end)
    ]

    days = Counter(moment.date() for moment in due)
    assert set(days.values()) == {1}
    assert len(days) == 3653
    for moment in due:
        if (moment.hour, moment.minute) == (hour, minute):
            assert moment.fold == 0
        else:
            before = moment.astimezone(UTC) - timedelta(minutes=1)
            skipped = moment.replace(hour=hour, minute=minute, tzinfo=None)
            assert before.astimezone(where).replace(tzinfo=None) < skipped
            assert skipped < moment.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("zone", "cron", "minutes"),
    [
        ("Europe/Berlin", "0 * * * *", 60),
        ("America/New_York", "0 * * * *", 60),
        ("Australia/Sydney", "0 * * * *", 60),
        ("America/Santiago", "0 * * * *", 60),
        ("Antarctica/Troll", "0 * * * *", 60),
        # Clocks change by half an hour.
        ("Australia/Lord_Howe", "*/15 * * * *", 15),
    ],
)
def test_one_that_is_due_often_goes_by_real_time(zone: str, cron: str, minutes: int) -> None:
    """Through all changes in two years, including repeated hours."""
    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=minutes)
    due = _due_times(cron, zone, start, start + timedelta(days=730))
    assert due == [start + step * number for number in range(730 * 24 * 60 // minutes + 1)]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "expected"),
    [
        # A gap of an hour: fixed times in it are due together at its end.
        ("30 2 * * *", "Europe/Berlin", date(2026, 3, 29), ["03:00+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", date(2026, 3, 29), ["03:00+02:00"]),
        ("0 2,3 * * *", "Europe/Berlin", date(2026, 3, 29), ["03:00+02:00"]),
        ("*/30 2 * * *", "Europe/Berlin", date(2026, 3, 29), []),
        (
            "0 */2 * * *",
            "Europe/Berlin",
            date(2026, 3, 29),
            [f"{h:02}:00+0{1 if h < 2 else 2}:00" for h in range(0, 24, 2) if h != 2],
        ),
        # A repeated hour.
        ("30 2 * * *", "Europe/Berlin", date(2026, 10, 25), ["02:30+02:00"]),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            date(2026, 10, 25),
            ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"],
        ),
        (
            "30 1-3 * * *",
            "Europe/Berlin",
            date(2026, 10, 25),
            ["01:30+02:00", "02:30+02:00", "03:30+01:00"],
        ),
        # Half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", date(2026, 10, 4), ["02:30+11:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", date(2026, 4, 5), ["01:45+11:00"]),
        ("45 */23 * * *", "Australia/Lord_Howe", date(2026, 4, 5), ["00:45+11:00", "23:45+10:30"]),
        # Two hours.
        ("30 1,2 * * *", "Antarctica/Troll", date(2026, 3, 29), ["03:00+02:00"]),
        ("0 1,2 * * *", "Antarctica/Troll", date(2026, 10, 25), ["01:00+02:00", "02:00+02:00"]),
        # Midnight doesn't exist.
        ("0 0 * * *", "America/Sao_Paulo", date(2018, 11, 4), ["01:00-02:00"]),
        ("0 0 * * *", "Asia/Beirut", date(2026, 3, 29), ["01:00+03:00"]),
        ("0 0 * * *", "Africa/Cairo", date(2026, 4, 24), ["01:00+03:00"]),
        # Midnight comes back: 23:00 to 24:00 twice.
        ("30 23 * * *", "America/Sao_Paulo", date(2018, 2, 17), ["23:30-02:00"]),
        ("30 23 * * *", "Asia/Beirut", date(2026, 10, 24), ["23:30+03:00"]),
        # A missing day: 30 December 2011 in Samoa; its time is due when the next day begins.
        ("30 2 * * *", "Pacific/Apia", date(2011, 12, 30), []),
        ("30 2 * * *", "Pacific/Apia", date(2011, 12, 31), ["00:00+14:00", "02:30+14:00"]),
        ("30 */12 * * *", "Pacific/Apia", date(2011, 12, 31), ["00:30+14:00", "12:30+14:00"]),
        # A change that isn't at a whole minute of UTC.
        ("30 0 * * *", "Africa/Monrovia", date(1972, 1, 7), ["00:44+00:00"]),
    ],
)
def test_changes_one_by_one(cron: str, zone: str, day: date, expected: list[str]) -> None:
    """With the day's local times."""
    assert _local(cron, zone, day) == expected


def test_the_end_of_a_gap_is_exact_to_the_second() -> None:
    """Liberia's clocks went from 00:00:00 to 00:44:30."""
    schedule = Schedule(kind=ScheduleKind.CRON, cron="30 0 * * *", zone="Africa/Monrovia")
    due = schedule.next_after(datetime(1972, 1, 7, 0, 44, tzinfo=UTC), slot_interval_seconds=SLOT)
    assert due == datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC)


@pytest.mark.parametrize("second", [0, 1, 1799, 1800, 1801, 3599])
def test_the_second_pass_of_an_hour_looks_back_on_the_first(second: int) -> None:
    """During a repeated 02:xx, next and last due time are right."""
    schedule = Schedule(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin")
    moment = datetime(2026, 10, 25, 1, tzinfo=UTC) + timedelta(seconds=second)
    today, tomorrow = (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    )
    assert schedule.last_until(moment, slot_interval_seconds=SLOT) == today
    assert schedule.next_after(moment, slot_interval_seconds=SLOT) == tomorrow


def test_a_time_that_is_always_repeated_is_found_in_the_right_pass() -> None:
    """Havana's clocks go back at 01:00 on the first Sunday of November."""
    schedule = Schedule(kind=ScheduleKind.CRON, cron="59 */24 * NOV SUN#1", zone="America/Havana")
    in_second_pass = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    last = schedule.last_until(in_second_pass, slot_interval_seconds=SLOT)
    assert last == datetime(2026, 11, 1, 4, 59, tzinfo=UTC)
    following = schedule.next_after(in_second_pass, slot_interval_seconds=SLOT)
    assert following == datetime(2026, 11, 1, 5, 59, tzinfo=UTC)
