"""Labels of a time axis: round times in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask, g

from taskadmin.admin.drawing.time_axis import ticks
from taskadmin.models import User

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def labels(app: Flask, begin: datetime, end: datetime, *, zone: str = "UTC") -> list[str]:
    """Return the labels of an axis with room for eight, with ordinary spaces."""
    with app.test_request_context():
        g.taskadmin_reader = User(zone=zone)
        return [tick.label.replace("\u202f", " ") for tick in ticks(begin, end, most=8)]


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(0), ["12:00:00 PM"]),
        (timedelta(seconds=3), [f"12:00:0{second} PM" for second in range(4)]),
        (timedelta(minutes=20), [f"12:{minute:02} PM" for minute in range(0, 21, 5)]),
        (timedelta(hours=7), [f"{hour}:00 PM" for hour in (12, *range(1, 8))]),
        (timedelta(hours=30), ["12:00 PM", "6:00 PM", "Mar 2", "6:00 AM", "12:00 PM", "6:00 PM"]),
        (
            timedelta(days=3),
            ["12:00 PM", "Mar 2", "12:00 PM", "Mar 3", "12:00 PM", "Mar 4", "12:00 PM"],
        ),
        (timedelta(days=6), ["Mar 2", "Mar 3", "Mar 4", "Mar 5", "Mar 6", "Mar 7"]),
    ],
    ids=str,
)
def test_labels_are_round_times(app: Flask, span: timedelta, shown: list[str]) -> None:
    """In seconds, minutes, hours or days."""
    assert labels(app, NOON, NOON + span) == shown


@pytest.mark.parametrize("days", [9, 40, 200, 400, 3000, 40_000])
def test_any_span_has_labels_that_fit(app: Flask, days: int) -> None:
    """One to eight different labels."""
    found = labels(app, NOON, NOON + timedelta(days=days, seconds=7))
    assert 1 <= len(found) <= 8
    assert len({*found}) == len(found)


def test_noon_stays_noon_when_the_clock_is_set(app: Flask) -> None:
    """Berlin's clocks went forward on 29 March 2026."""
    begin = datetime(2026, 3, 28, 11, tzinfo=UTC)
    found = labels(app, begin, begin + timedelta(days=2), zone="Europe/Berlin")
    assert found == ["12:00 PM", "Mar 29", "12:00 PM", "Mar 30", "12:00 PM"]
