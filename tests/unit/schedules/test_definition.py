"""What a schedule may be, and the due times of those that don't need a calendar."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from taskadmin.errors import TaskAdminError
from taskadmin.schedules import InvalidSchedule, Schedule, ScheduleKind, make_schedule

SLOT = 300.0
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_SUCH_ZONE = "There is no time zone “{}”; {}."


@pytest.mark.parametrize(
    ("kind", "values", "field", "message"),
    [
        (
            "weekly",
            {},
            "kind",
            "There is no kind of schedule “weekly”; expected one of slot, interval, cron, once.",
        ),
        ("interval", {}, "every_s", "An interval needs its length."),
        ("cron", {"cron": " "}, "cron", "A cron schedule needs its expression, like “30 2 * * *”."),
        ("once", {}, "once_at", "A single run needs its date and time."),
        ("slot", {"cron": "0 0 * * *"}, "cron", "Only the kind cron has this; leave it empty."),
        ("interval", {"every_s": 0}, "every_s", "The interval must be 1 second to 366 days long."),
        (
            "interval",
            {"every_s": 366 * 86_400 + 1},
            "every_s",
            "The interval must be 1 second to 366 days long.",
        ),
        (
            "interval",
            {"every_s": 1.5},
            "every_s",
            "The interval must be a whole number of seconds.",
        ),
        (
            "interval",
            {"every_s": True},
            "every_s",
            "The interval must be a whole number of seconds.",
        ),
        (
            "cron",
            {"cron": "0 0 31 2 *"},
            "cron",
            "There is no such date: day 31 never comes in February.",
        ),
        (
            "cron",
            {"cron": "0 0 30 FEB *"},
            "cron",
            "There is no such date: day 30 never comes in February.",
        ),
        (
            "cron",
            {"cron": "0 0 31 4,6 *"},
            "cron",
            "There is no such date: day 31 never comes in April or June.",
        ),
        (
            "cron",
            {"cron": "* * */20 * 1L"},
            "cron",
            "No day matches this expression within 50 years.",
        ),
        ("cron", {"cron": "60 * * * *"}, "cron", "“60” is no minute: expected 0 to 59."),
        ("cron", {"cron": "0 24 * * *"}, "cron", "“24” is no hour: expected 0 to 23."),
        (
            "cron",
            {"cron": "0 0 0 * *"},
            "cron",
            "“0” is no day of the month: expected 1 to 31, or L for the last one.",
        ),
        (
            "cron",
            {"cron": "0 0 * MAI *"},
            "cron",
            "“MAI” is no month: expected 1 to 12, or JAN to DEC.",
        ),
        (
            "cron",
            {"cron": "0 0 * * 8"},
            "cron",
            "“8” is no day of the week: expected 0 to 7, or SUN to SAT, where 0 and 7 are Sunday.",
        ),
        (
            "cron",
            {"cron": "0 0 * *"},
            "cron",
            "A cron expression has five fields: minute, hour, day of the month, month and day of the week; “0 0 * *” has 4.",
        ),
        (
            "cron",
            {"cron": "0 0 0 * * *"},
            "cron",
            "A cron expression has five fields: minute, hour, day of the month, month and day of the week; “0 0 0 * * *” has 6.",
        ),
        ("cron", {"cron": "@daily"}, "cron", "Names like @daily aren't known: write “0 0 * * *”."),
        (
            "cron",
            {"cron": "0 " + "9" * 195 + " * * *"},
            "cron",
            "A cron expression may have 200 characters; this has 203.",
        ),
        (
            "slot",
            {"zone": "Europe/Brelin"},
            "zone",
            NO_SUCH_ZONE.format("Europe/Brelin", "the nearest known one is Europe/Berlin"),
        ),
        (
            "slot",
            {"zone": "europe/berlin"},
            "zone",
            NO_SUCH_ZONE.format("europe/berlin", "the nearest known one is Europe/Berlin"),
        ),
        (
            "slot",
            {"zone": "New York"},
            "zone",
            NO_SUCH_ZONE.format("New York", "the nearest known one is America/New_York"),
        ),
        (
            "slot",
            {"zone": "../etc/passwd"},
            "zone",
            NO_SUCH_ZONE.format("../etc/passwd", "expected one like Europe/Berlin"),
        ),
        (
            "slot",
            {"zone": "localtime"},
            "zone",
            NO_SUCH_ZONE.format("localtime", "expected one like Europe/Berlin"),
        ),
        ("slot", {"zone": ""}, "zone", NO_SUCH_ZONE.format("", "expected one like Europe/Berlin")),
        (
            "once",
            {"once_at": datetime(2027, 1, 1)},  # noqa: DTZ001
            "once_at",
            "The date and time needs a time zone.",
        ),
        (
            "once",
            {"once_at": datetime(1969, 1, 1, tzinfo=UTC)},
            "once_at",
            "The date and time must lie in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"ends_at": datetime(3000, 1, 1, tzinfo=UTC)},
            "ends_at",
            "The end must lie in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"starts_at": datetime.min.replace(tzinfo=timezone(HOUR))},
            "starts_at",
            "The start must lie in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"starts_at": NOON, "ends_at": NOON - HOUR},
            "ends_at",
            "The end lies before the start.",
        ),
        (
            "once",
            {"once_at": NOON, "starts_at": NOON + HOUR},
            "once_at",
            "The date and time lies before the start.",
        ),
        (
            "once",
            {"once_at": NOON, "ends_at": NOON - HOUR},
            "once_at",
            "The date and time lies after the end.",
        ),
        (
            "once",
            {"once_at": NOON, "now": NOON},
            "once_at",
            "The date and time has passed already.",
        ),
        ("slot", {"ends_at": NOON, "now": NOON}, "ends_at", "The end has passed already."),
        (
            "cron",
            {"cron": "0 0 1 1 *", "starts_at": NOON, "ends_at": NOON + HOUR},
            "ends_at",
            "There is no due time between the start and the end.",
        ),
        (
            "cron",
            {"cron": "0 0 1 1 *", "ends_at": NOON + HOUR, "now": NOON},
            "ends_at",
            "There is no due time between now and the end.",
        ),
        (
            "slot",
            {"starts_at": NOON + HOUR / 6000, "ends_at": NOON + HOUR / 60, "slot_interval_s": SLOT},
            "ends_at",
            "There is no due time between the start and the end.",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    kind: str, values: dict[str, Any], field: str, message: str
) -> None:
    """With the field to change and a sentence for whoever entered it."""
    with pytest.raises(InvalidSchedule) as caught:
        make_schedule(kind, **values)
    assert (caught.value.field, str(caught.value)) == (field, message)


def test_the_error_is_a_value_error_and_travels() -> None:
    """Forms and other processes get the same one."""
    error = InvalidSchedule("zone", "No.")
    assert isinstance(error, ValueError)
    assert isinstance(error, TaskAdminError)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was dumped one line above
    assert (copy.field, copy.message) == ("zone", "No.")


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 29 2 *",
        "0 0 31 2 MON",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 * * 5L",
        "0 9 * * mon#1",
        "5/10 * * * *",
        "0 0 29 2 */7",
    ],
)
def test_rare_days_are_taken(cron: str) -> None:
    """29 February, also on a Sunday; the 31st *or* a Monday; last and nth days."""
    assert make_schedule("cron", cron=cron).next_after(NOON, slot_interval_s=SLOT) is not None


def test_what_was_entered_is_tidied() -> None:
    """Times are UTC, spaces single."""
    berlin = datetime(2026, 6, 1, 14, tzinfo=timezone(2 * HOUR))
    made = make_schedule("cron", cron=" 30  2 * * * ", zone=" Europe/Berlin ", starts_at=berlin)
    assert made == Schedule(
        kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", starts_at=NOON
    )
    assert made.starts_at is not None
    assert made.starts_at.tzinfo is UTC


def test_a_single_run_is_due_once() -> None:
    """Also if it is past, unless the caller says what time it is."""
    once = make_schedule("once", once_at=NOON)
    tick = timedelta(microseconds=1)
    assert once.next_after(NOON - tick, slot_interval_s=SLOT) == NOON
    assert once.next_after(NOON, slot_interval_s=SLOT) is None
    assert once.last_upto(NOON, slot_interval_s=SLOT) == NOON
    assert once.last_upto(NOON - tick, slot_interval_s=SLOT) is None
    assert once.count_between(NOON - tick, NOON, 9, slot_interval_s=SLOT) == 1
    assert once.count_between(NOON, NOON + HOUR, 9, slot_interval_s=SLOT) == 0


def test_intervals_count_from_their_start() -> None:
    """The start is the first due time, the end may be the last."""
    start = NOON + timedelta(seconds=7)
    every = make_schedule("interval", every_s=3600, starts_at=start, ends_at=start + 2 * HOUR)
    assert every.next_after(NOON - 1000 * HOUR, slot_interval_s=SLOT) == start
    assert every.next_after(start, slot_interval_s=SLOT) == start + HOUR
    assert every.next_after(start + HOUR, slot_interval_s=SLOT) == start + 2 * HOUR
    assert every.next_after(start + 2 * HOUR, slot_interval_s=SLOT) is None
    assert every.last_upto(NOON, slot_interval_s=SLOT) is None
    assert every.last_upto(NOON + 1000 * HOUR, slot_interval_s=SLOT) == start + 2 * HOUR
    assert every.count_between(NOON, NOON + 1000 * HOUR, 9, slot_interval_s=SLOT) == 3


def test_intervals_without_a_start_count_from_1970() -> None:
    """So that it makes no difference when a process was started."""
    every = make_schedule("interval", every_s=7 * 86_400)
    due = every.next_after(NOON, slot_interval_s=SLOT)
    assert due == datetime(2026, 6, 4, tzinfo=UTC)
    assert due.timestamp() % (7 * 86_400) == 0


def test_the_common_slot_has_the_length_of_its_setting() -> None:
    """Also one of a part of a second."""
    slot = make_schedule("slot")
    assert slot.next_after(NOON, slot_interval_s=300) == NOON + HOUR / 12
    assert slot.next_after(NOON, slot_interval_s=1.5) == NOON + timedelta(seconds=1.5)
    assert slot.last_upto(NOON + HOUR / 13, slot_interval_s=300) == NOON
    assert slot.next_after(NOON - timedelta(microseconds=1), slot_interval_s=300) == NOON


def test_counting_a_million_is_arithmetic() -> None:
    """A second's interval over 60 years, without and with a limit."""
    every = make_schedule("interval", every_s=1)
    end = NOON + timedelta(days=60 * 365)
    seconds = 60 * 365 * 86_400
    assert every.count_between(NOON, end, 10**12, slot_interval_s=SLOT) == seconds
    assert every.count_between(NOON, end, 1000, slot_interval_s=SLOT) == 1000
    assert every.count_between(end, NOON, 1000, slot_interval_s=SLOT) == 0


@pytest.mark.parametrize(
    "schedule",
    [
        make_schedule("slot"),
        make_schedule("interval", every_s=60),
        make_schedule("cron", cron="0 0 * * *", zone="Pacific/Kiritimati"),
        make_schedule("cron", cron="0 0 * * *", zone="Pacific/Pago_Pago"),
    ],
    ids=lambda schedule: f"{schedule.kind}-{schedule.zone}",
)
def test_the_ends_of_the_calendar_are_no_error(schedule: Schedule) -> None:
    """There are due times from 1970 to 2999; before is nothing, after is nothing."""
    west, east = timezone(-12 * HOUR), timezone(14 * HOUR)
    for zone in (UTC, west, east):
        first, last = datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)
        due = schedule.next_after(first, slot_interval_s=SLOT)
        assert due is not None
        assert due - datetime(1970, 1, 1, tzinfo=UTC) < timedelta(days=1)
        assert schedule.last_upto(first, slot_interval_s=SLOT) is None
        assert schedule.next_after(last, slot_interval_s=SLOT) is None
        newest = schedule.last_upto(last, slot_interval_s=SLOT)
        assert newest is not None
        assert datetime(3000, 1, 1, tzinfo=UTC) - newest <= timedelta(days=1)
        assert schedule.count_between(first, last, 2, slot_interval_s=SLOT) == 2


def test_a_moment_needs_a_zone() -> None:
    """A naive one would be taken for the machine's local time."""
    naive = datetime(2026, 6, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no zone; expected an aware time"):
        make_schedule("slot").next_after(naive, slot_interval_s=SLOT)


def test_what_was_stored_may_have_become_impossible() -> None:
    """Then its due times are refused with the field, by an error that can be shown."""
    gone = Schedule(kind=ScheduleKind.CRON, cron="0 0 * * *", zone="Mars/Olympus")
    with pytest.raises(InvalidSchedule, match="There is no time zone “Mars/Olympus”"):
        gone.next_after(NOON, slot_interval_s=SLOT)
