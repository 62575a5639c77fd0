"""Quiet hours: over midnight, in a zone, and when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taskadmin.store.notifications.quiet_hours import are_quiet, is_clock_time


@pytest.mark.parametrize(
    ("shown", "quiet"),
    [("21:59", False), ("22:00", True), ("03:00", True), ("06:59", True), ("07:00", False)],
)
def test_they_may_span_midnight(shown: str, quiet: bool) -> None:
    """The begin belongs to them, the end doesn't."""
    moment = datetime.fromisoformat(f"2027-01-10T{shown}+00:00")

    assert are_quiet(moment, "22:00", "07:00", "UTC") is quiet
    assert are_quiet(moment, "07:00", "22:00", "UTC") is not quiet


def test_without_any_it_is_never_quiet() -> None:
    """Nor if both times are equal: that is the whole day."""
    moment = datetime(2027, 1, 10, 3, tzinfo=UTC)

    assert not are_quiet(moment, None, None, "UTC")
    assert are_quiet(moment, "07:00", "07:00", "UTC")


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        # Clocks go from 2:00 to 3:00 at 1:00 UTC: the end comes an hour sooner.
        ("2027-03-28T00:30+00:00", True),
        ("2027-03-28T04:59+00:00", True),
        ("2027-03-28T05:00+00:00", False),
        ("2027-03-27T05:30+00:00", True),
        # Clocks go from 3:00 back to 2:00 at 1:00 UTC: both hours are quiet.
        ("2027-10-31T00:30+00:00", True),
        ("2027-10-31T01:30+00:00", True),
        ("2027-10-31T05:59+00:00", True),
        ("2027-10-31T06:00+00:00", False),
    ],
)
def test_they_follow_the_clocks(moment: str, quiet: bool) -> None:
    """From 22:00 to 7:00 in Berlin, in the nights in which clocks change."""
    assert are_quiet(datetime.fromisoformat(moment), "22:00", "07:00", "Europe/Berlin") is quiet


@pytest.mark.parametrize("text", ["", "7:00", "24:00", "12:60", "12:00:00", "１２:00", "12:00\n"])
def test_other_texts_are_no_times(text: str) -> None:
    """They would never match."""
    assert not is_clock_time(text)
    assert is_clock_time("07:00") and is_clock_time("23:59")
