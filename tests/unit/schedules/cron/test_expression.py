"""Cron expressions on a wall clock."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest

from taskadmin.schedules import InvalidSchedule
from taskadmin.schedules.cron.expression import parse_cron

NOON = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - a wall time


@pytest.mark.parametrize(
    ("cron", "later", "earlier"),
    [
        ("*/20 * * * *", ["06-01 12:20", "06-01 12:40", "06-01 13:00"], ["06-01 12:00"]),
        ("30 2 * * *", ["06-02 02:30", "06-03 02:30", "06-04 02:30"], ["06-01 02:30"]),
        ("0 12 1 * *", ["07-01 12:00", "08-01 12:00", "09-01 12:00"], ["06-01 12:00"]),
        ("0 0 13 * 5", ["06-05 00:00", "06-12 00:00", "06-13 00:00"], ["05-29 00:00"]),
    ],
)
def test_times_come_in_order_both_ways(cron: str, later: list[str], earlier: list[str]) -> None:
    """After a moment, and up to it."""
    parsed = parse_cron(cron)
    assert [f"{at:%m-%d %H:%M}" for at in islice(parsed.all_after(NOON), 3)] == later
    assert [f"{at:%m-%d %H:%M}" for at in islice(parsed.all_until(NOON), 1)] == earlier
    for at in islice(parsed.all_after(NOON), 20):
        assert parsed.matches(at.replace(second=59))
        assert not parsed.matches(at.replace(minute=(at.minute + 1) % 60))


def test_the_next_one_may_be_decades_away() -> None:
    """29 February on a Monday; impossible dates are refused on parsing."""
    [first] = islice(parse_cron("0 0 29 2 */1").all_after(NOON), 1)
    assert first.date().isoformat() == "2028-02-29"
    with pytest.raises(InvalidSchedule, match="day 30 never occurs in February"):
        parse_cron("0 0 30 2 *")


@pytest.mark.parametrize(
    ("cron", "by_real_time"),
    [("*/5 * * * *", True), ("5 * * * *", True), ("5 2 * * *", False), ("0-59/5 2 * * *", False)],
)
def test_stars_follow_real_time(cron: str, by_real_time: bool) -> None:
    """As in Debian's crontab(5), through changes of clocks."""
    assert parse_cron(cron).by_real_time is by_real_time
