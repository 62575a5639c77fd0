"""Schedules as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from taskadmin.schedules import in_words, make_schedule

SLOT = 300.0


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("slot", {}, "in the common slot, every 5 minutes"),
        ("interval", {"every_seconds": 300}, "every 5 minutes"),
        ("interval", {"every_seconds": 1}, "every second"),
        ("interval", {"every_seconds": 3600}, "every hour"),
        ("interval", {"every_seconds": 5400}, "every 1 hour and 30 minutes"),
        ("interval", {"every_seconds": 366 * 86_400}, "every 366 days"),
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
                "every_seconds": 60,
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
