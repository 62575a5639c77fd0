"""What people read of a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from taskadmin.schedules import Schedule, in_words, make_schedule, preview

SLOT = 300.0


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("slot", {}, "in the common slot, every 5 minutes"),
        ("interval", {"every_s": 300}, "every 5 minutes"),
        ("interval", {"every_s": 1}, "every second"),
        ("interval", {"every_s": 3600}, "every hour"),
        ("interval", {"every_s": 5400}, "every 1 hour and 30 minutes"),
        ("interval", {"every_s": 366 * 86_400}, "every 366 days"),
        (
            "cron",
            {"cron": "30 2 * * MON", "zone": "Europe/Berlin"},
            "at 02:30 on Monday, in Europe/Berlin",
        ),
        ("cron", {"cron": "30 2 * * *"}, "at 02:30 every day, in UTC"),
        ("cron", {"cron": "*/15 * * * *"}, "every 15th minute of every hour, in UTC"),
        ("cron", {"cron": "0 0 13 * 5"}, "at 00:00 on the 13th day of month and on Friday, in UTC"),
        (
            "cron",
            {"cron": "0 0 21,22,23,31 * *"},
            "at 00:00 on the 21st, the 22nd, the 23rd, and the 31st day of month, in UTC",
        ),
        ("cron", {"cron": "0 0 11 * *"}, "at 00:00 on the 11th day of every month, in UTC"),
        ("once", {"once_at": datetime(2027, 1, 1, 9, tzinfo=UTC)}, "once on 2027-01-01 09:00 UTC"),
        (
            "once",
            {"once_at": datetime(2027, 1, 1, 9, 0, 5, tzinfo=UTC), "zone": "Asia/Kolkata"},
            "once on 2027-01-01 14:30:05 Asia/Kolkata",
        ),
        (
            "once",
            {"once_at": datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "zone": "Europe/Berlin"},
            "once on 2026-10-25 02:30 Europe/Berlin (UTC+01:00)",
        ),
        (
            "interval",
            {
                "every_s": 60,
                "starts_at": datetime(2027, 1, 1, tzinfo=UTC),
                "ends_at": datetime(2028, 1, 1, tzinfo=UTC),
            },
            "every minute, from 2027-01-01 00:00 UTC, until 2028-01-01 00:00 UTC",
        ),
    ],
)
def test_schedules_in_words(kind: str, values: dict[str, Any], words: str) -> None:
    """Each kind, with its start and its end."""
    assert in_words(make_schedule(kind, **values), SLOT) == words


def _preview(schedule: Schedule, now: datetime, n: int = 5) -> list[tuple[str, str | None]]:
    found = preview(schedule, now, n=n, slot_interval_s=SLOT)
    assert all(one.at == one.local.astimezone(UTC) and one.at.tzinfo is UTC for one in found)
    return [(one.local.isoformat(timespec="minutes"), one.dst) for one in found]


def test_a_preview_says_what_was_moved() -> None:
    """The clock's change, and that the day has no 02:30."""
    schedule = make_schedule("cron", cron="30 2 * * *", zone="Europe/Berlin")
    assert _preview(schedule, datetime(2027, 3, 27, tzinfo=UTC), 3) == [
        ("2027-03-27T02:30+01:00", None),
        (
            "2027-03-28T03:00+02:00",
            (
                "clocks go forward 1 hour before this one; 02:30 doesn't exist on this day,"
                " so it runs right after the change"
            ),
        ),
        ("2027-03-29T02:30+02:00", None),
    ]


def test_a_preview_says_which_of_two_hours_it_is() -> None:
    """Both passes of the repeated hour."""
    schedule = make_schedule("cron", cron="0 * * * *", zone="America/New_York")
    assert _preview(schedule, datetime(2026, 11, 1, 4, 30, tzinfo=UTC), 3) == [
        ("2026-11-01T01:00-04:00", "01:00 comes twice on this day, this is the first"),
        (
            "2026-11-01T01:00-05:00",
            (
                "clocks go back 1 hour before this one; 01:00 comes twice on this day,"
                " this is the second"
            ),
        ),
        ("2026-11-01T02:00-05:00", None),
    ]


def test_the_first_of_a_preview_is_compared_with_now() -> None:
    """A yearly one in summer, seen in winter; intervals are marked too."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    yearly = make_schedule("cron", cron="0 12 1 7 *", zone="Australia/Lord_Howe")
    changed = "clocks go back 30 minutes before this one"
    assert _preview(yearly, now, 2) == [
        ("2026-07-01T12:00+10:30", changed),
        ("2027-07-01T12:00+10:30", None),
    ]
    daily = make_schedule("interval", every_s=86_400, zone="Europe/Berlin", starts_at=now)
    marks = [mark for _, mark in _preview(daily, now, 365)]
    assert [mark for mark in marks if mark] == [
        "clocks go forward 1 hour before this one",
        "clocks go back 1 hour before this one",
    ]


def test_a_day_that_was_not_is_named() -> None:
    """Samoa had no 30 December 2011."""
    schedule = make_schedule("cron", cron="30 2 * * *", zone="Pacific/Apia")
    assert _preview(schedule, datetime(2011, 12, 30, tzinfo=UTC), 2) == [
        (
            "2011-12-31T00:00+14:00",
            (
                "clocks go forward 1 day before this one; 2011-12-30 02:30 doesn't exist,"
                " so it runs right after the change"
            ),
        ),
        ("2011-12-31T02:30+14:00", None),
    ]


def test_a_preview_ends_with_the_schedule() -> None:
    """Five by default, fewer if there are fewer, none if it is over."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert len(preview(make_schedule("slot"), now, slot_interval_s=SLOT)) == 5
    once = make_schedule("once", once_at=now)
    assert preview(once, now, slot_interval_s=SLOT) == []
    some = make_schedule("interval", every_s=60, ends_at=datetime(2026, 6, 1, 0, 2, tzinfo=UTC))
    assert [one for one, _ in _preview(some, now)] == [
        "2026-06-01T00:01+00:00",
        "2026-06-01T00:02+00:00",
    ]
