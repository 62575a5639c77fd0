"""The next due times of a schedule, with marks at changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taskadmin.schedules import Schedule, make_schedule, preview

SLOT = 300.0


def _preview(schedule: Schedule, now: datetime, n: int = 5) -> list[tuple[str, str | None]]:
    found = preview(schedule, now, n=n, slot_interval_seconds=SLOT)
    assert all(one.at == one.local.astimezone(UTC) and one.at.tzinfo is UTC for one in found)
    return [(one.local.isoformat(timespec="minutes"), one.dst) for one in found]


@pytest.mark.parametrize(
    ("cron", "zone", "now", "expected"),
    [
        (
            *("30 2 * * *", "Europe/Berlin", datetime(2027, 3, 27, tzinfo=UTC)),
            [
                ("2027-03-27T02:30+01:00", None),
                (
                    "2027-03-28T03:00+02:00",
                    (
                        "clocks go forward 1 hour before this one; 02:30 doesn't exist on this day,"
                        " so it runs right after the change"
                    ),
                ),
                ("2027-03-29T02:30+02:00", None),
            ],
        ),
        (
            *("0 * * * *", "America/New_York", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
            [
                ("2026-11-01T01:00-04:00", "01:00 occurs twice on this day; this is the first"),
                (
                    "2026-11-01T01:00-05:00",
                    (
                        "clocks go back 1 hour before this one; 01:00 occurs twice on this"
                        " day; this is the second"
                    ),
                ),
                ("2026-11-01T02:00-05:00", None),
            ],
        ),
        # Samoa had no 30 December 2011.
        (
            *("30 2 * * *", "Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),
            [
                (
                    "2011-12-31T00:00+14:00",
                    (
                        "clocks go forward 1 day before this one; 2011-12-30 02:30 doesn't exist,"
                        " so it runs right after the change"
                    ),
                ),
                ("2011-12-31T02:30+14:00", None),
            ],
        ),
    ],
)
def test_a_preview_marks_changes_of_clocks(
    cron: str, zone: str, now: datetime, expected: list[tuple[str, str | None]]
) -> None:
    """It marks moved times and repeated hours."""
    schedule = make_schedule("cron", cron=cron, zone=zone)
    assert _preview(schedule, now, len(expected)) == expected


def test_the_first_of_a_preview_is_compared_with_now() -> None:
    """A yearly one in summer, viewed in winter; intervals are marked, too."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    yearly = make_schedule("cron", cron="0 12 1 7 *", zone="Australia/Lord_Howe")
    changed = "clocks go back 30 minutes before this one"
    assert _preview(yearly, now, 2) == [
        ("2026-07-01T12:00+10:30", changed),
        ("2027-07-01T12:00+10:30", None),
    ]
    daily = make_schedule("interval", every_seconds=86_400, zone="Europe/Berlin", starts_at=now)
    marks = [mark for _, mark in _preview(daily, now, 365)]
    assert [mark for mark in marks if mark] == [
        "clocks go forward 1 hour before this one",
        "clocks go back 1 hour before this one",
    ]


def test_a_preview_ends_with_the_schedule() -> None:
    """Five by default, fewer if there are fewer, and none after the end."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert len(preview(make_schedule("slot"), now, slot_interval_seconds=SLOT)) == 5
    once = make_schedule("once", once_at=now)
    assert preview(once, now, slot_interval_seconds=SLOT) == []
    some = make_schedule(
        "interval", every_seconds=60, ends_at=datetime(2026, 6, 1, 0, 2, tzinfo=UTC)
    )
    assert [one for one, _ in _preview(some, now)] == [
        "2026-06-01T00:01+00:00",
        "2026-06-01T00:02+00:00",
    ]
