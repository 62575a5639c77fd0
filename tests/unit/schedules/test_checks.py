"""Validation of schedules."""

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

NO_SUCH_ZONE = "Unknown time zone “{}”; {}"


@pytest.mark.parametrize(
    ("kind", "values", "field", "message"),
    [
        (
            "weekly",
            {},
            "kind",
            "“weekly” is not a kind of schedule; expected one of slot, interval, cron, once.",
        ),
        ("interval", {}, "every_seconds", "An interval needs a length."),
        (
            "cron",
            {"cron": " "},
            "cron",
            "A cron schedule needs an expression, such as “30 2 * * *”.",
        ),
        ("once", {}, "once_at", "A single run needs a date and time."),
        (
            "slot",
            {"cron": "0 0 * * *"},
            "cron",
            "Only schedules of the kind cron have this; leave it empty.",
        ),
        (
            "interval",
            {"every_seconds": 0},
            "every_seconds",
            "The interval must be between 1 second and 366 days.",
        ),
        (
            "interval",
            {"every_seconds": 366 * 86_400 + 1},
            "every_seconds",
            "The interval must be between 1 second and 366 days.",
        ),
        (
            "interval",
            {"every_seconds": 1.5},
            "every_seconds",
            "The interval must be a whole number of seconds.",
        ),
        (
            "interval",
            {"every_seconds": True},
            "every_seconds",
            "The interval must be a whole number of seconds.",
        ),
        (
            "cron",
            {"cron": "0 0 31 2 *"},
            "cron",
            "There is no such date: day 31 never occurs in February.",
        ),
        (
            "cron",
            {"cron": "0 0 30 FEB *"},
            "cron",
            "There is no such date: day 30 never occurs in February.",
        ),
        (
            "cron",
            {"cron": "0 0 31 4,6 *"},
            "cron",
            "There is no such date: day 31 never occurs in April or June.",
        ),
        (
            "cron",
            {"cron": "* * */20 * 1L"},
            "cron",
            "No day matches this expression within 50 years.",
        ),
        ("cron", {"cron": "60 * * * *"}, "cron", "“60” isn't a minute: expected 0 to 59."),
        ("cron", {"cron": "0 24 * * *"}, "cron", "“24” isn't an hour: expected 0 to 23."),
        (
            "cron",
            {"cron": "0 0 0 * *"},
            "cron",
            "“0” isn't a day of the month: expected 1 to 31, or L for the last one.",
        ),
        (
            "cron",
            {"cron": "0 0 * MAI *"},
            "cron",
            "“MAI” isn't a month: expected 1 to 12, or JAN to DEC.",
        ),
        (
            "cron",
            {"cron": "0 0 * * 8"},
            "cron",
            "“8” isn't a day of the week: expected 0 to 7, or SUN to SAT, where 0 and 7 are Sunday.",
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
        (
            "cron",
            {"cron": "@daily"},
            "cron",
            "Names like @daily aren't supported: write “0 0 * * *”.",
        ),
        (
            "cron",
            {"cron": "0 " + "9" * 195 + " * * *"},
            "cron",
            "A cron expression can have at most 200 characters; this one has 203.",
        ),
        (
            "slot",
            {"zone": "Europe/Brelin"},
            "zone",
            NO_SUCH_ZONE.format("Europe/Brelin", "did you mean Europe/Berlin?"),
        ),
        (
            "slot",
            {"zone": "europe/berlin"},
            "zone",
            NO_SUCH_ZONE.format("europe/berlin", "did you mean Europe/Berlin?"),
        ),
        (
            "slot",
            {"zone": "New York"},
            "zone",
            NO_SUCH_ZONE.format("New York", "did you mean America/New_York?"),
        ),
        (
            "slot",
            {"zone": "../etc/passwd"},
            "zone",
            NO_SUCH_ZONE.format("../etc/passwd", "expected a name such as Europe/Berlin."),
        ),
        (
            "slot",
            {"zone": "localtime"},
            "zone",
            NO_SUCH_ZONE.format("localtime", "expected a name such as Europe/Berlin."),
        ),
        (
            "slot",
            {"zone": ""},
            "zone",
            NO_SUCH_ZONE.format("", "expected a name such as Europe/Berlin."),
        ),
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
            "The date and time must be in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"ends_at": datetime(3000, 1, 1, tzinfo=UTC)},
            "ends_at",
            "The end must be in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"starts_at": datetime.min.replace(tzinfo=timezone(HOUR))},
            "starts_at",
            "The start must be in the years 1970 to 2999.",
        ),
        (
            "slot",
            {"starts_at": NOON, "ends_at": NOON - HOUR},
            "ends_at",
            "The end is before the start.",
        ),
        (
            "once",
            {"once_at": NOON, "starts_at": NOON + HOUR},
            "once_at",
            "The date and time is before the start.",
        ),
        (
            "once",
            {"once_at": NOON, "ends_at": NOON - HOUR},
            "once_at",
            "The date and time is after the end.",
        ),
        (
            "once",
            {"once_at": NOON, "now": NOON},
            "once_at",
            "The date and time has already passed.",
        ),
        ("slot", {"ends_at": NOON, "now": NOON}, "ends_at", "The end has already passed."),
        (
            "cron",
            {"cron": "0 0 1 1 *", "starts_at": NOON, "ends_at": NOON + HOUR},
            "ends_at",
            "No run is due between the start and the end.",
        ),
        (
            "cron",
            {"cron": "0 0 1 1 *", "ends_at": NOON + HOUR, "now": NOON},
            "ends_at",
            "No run is due between now and the end.",
        ),
        (
            "slot",
            {
                "starts_at": NOON + HOUR / 6000,
                "ends_at": NOON + HOUR / 60,
                "slot_interval_seconds": SLOT,
            },
            "ends_at",
            "No run is due between the start and the end.",
        ),
    ],
)
def test_invalid_schedules_are_refused(
    kind: str, values: dict[str, Any], field: str, message: str
) -> None:
    """The error has the field and a message."""
    with pytest.raises(InvalidSchedule) as caught:
        make_schedule(kind, **values)
    assert (caught.value.field, str(caught.value)) == (field, message)


def test_the_error_is_a_value_error_and_travels() -> None:
    """It can be pickled for other processes."""
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
    assert make_schedule("cron", cron=cron).next_after(NOON, slot_interval_seconds=SLOT) is not None


def test_input_is_normalized() -> None:
    """Times become UTC, and repeated spaces single."""
    berlin = datetime(2026, 6, 1, 14, tzinfo=timezone(2 * HOUR))
    made = make_schedule("cron", cron=" 30  2 * * * ", zone=" Europe/Berlin ", starts_at=berlin)
    assert made == Schedule(
        kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", starts_at=NOON
    )
    assert made.starts_at is not None
    assert made.starts_at.tzinfo is UTC
