"""Times in searches and addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from taskadmin.search.times import BadTerm, Span, Times, Viewer, read_span, read_times

#: 09:30 in Berlin, three days after clocks were set back there.
NOW = datetime(2026, 10, 28, 8, 30, tzinfo=UTC)
VIEWER = Viewer(ZoneInfo("Europe/Berlin"), lambda: NOW)


def utc(text: str) -> datetime:
    """Return a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("09:00", "2026-10-28T08:00", "2026-10-28T08:01"),
        ("9:00:05", "2026-10-28T08:00:05", "2026-10-28T08:00:06"),
        ("today", "2026-10-27T23:00", "2026-10-28T23:00"),
        ("Yesterday", "2026-10-26T23:00", "2026-10-27T23:00"),
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("2026-07-01T09:00", "2026-07-01T07:00", "2026-07-01T07:01"),
        ("2026-07-01 9:00", "2026-07-01T07:00", "2026-07-01T07:01"),
        ("2026-07-01T09:00z", "2026-07-01T09:00", "2026-07-01T09:01"),
        ("2026-07-01T09:00:30-03:00", "2026-07-01T12:00:30", "2026-07-01T12:00:31"),
        ("2026-07-01+09:00", "2026-06-30T15:00", "2026-07-01T15:00"),
        ("90m", "2026-10-28T07:00", "2026-10-28T07:01"),
        ("2 H", "2026-10-28T06:30", "2026-10-28T06:31"),
        ("1w", "2026-10-21T08:30", "2026-10-21T08:31"),
    ],
)
def test_times_are_in_the_readers_zone(text: str, begin: str, end: str) -> None:
    """``at`` means all of a day, minute or second; only a day is in ``until`` as a whole."""
    is_day = ":" not in text.split("+")[0] and text[0] in "2tY" and "H" not in text

    assert read_span("at", text, VIEWER) == Span(utc(begin), utc(end))
    assert read_span("since", text, VIEWER) == Span(utc(begin), None)
    assert read_span("until", text, VIEWER) == Span(None, utc(end if is_day else begin))


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("09:00..10:30", "2026-10-28T08:00", "2026-10-28T09:30"),
        ("2026-10-01 .. 2026-10-02", "2026-09-30T22:00", "2026-10-02T22:00"),
        ("1d..1h", "2026-10-27T08:30", "2026-10-28T07:30"),
    ],
)
def test_between_has_two_of_them(text: str, begin: str, end: str) -> None:
    """The second as in ``until``."""
    assert read_span("between", text, VIEWER) == Span(utc(begin), utc(end))


@pytest.mark.parametrize(
    "text",
    [
        *("noon", "25:00", "09:60", "2026-02-30", "2026-10", "20261001", "2026-W40-1", "1y", "-2h"),
        *("0000-01-01", "9999-12-31", "0001-01-01", "9999999w", "09:00Z", "2026-10-01T"),
        *("٠٩:٠٠", "2026-10-01T09:00+99:00", ".."),
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    """The error shows what is one; nothing is guessed."""
    with pytest.raises(BadTerm) as refused:
        read_span("since", text, VIEWER)
    assert str(refused.value) == (
        f"“{text}” is not a time. Times are such as 09:00, 2026-11-30, 2026-11-30T09:00, today,"
        " yesterday, 2h."
    )


def test_between_needs_two_times() -> None:
    """Each with its error."""
    with pytest.raises(BadTerm, match=r"such as between:09:00\.\.10:30"):
        read_span("between", "09:00", VIEWER)
    with pytest.raises(BadTerm, match="“noon” is not a time"):
        read_span("between", "09:00..noon", VIEWER)


def test_an_address_has_several_times() -> None:
    """What all have in common; an error in one is shown, and what is given stays."""
    assert read_times({"since": "08:00", "at": "today", "until": "", "x": "y"}, VIEWER) == Times(
        Span(utc("2026-10-28T07:00"), utc("2026-10-28T23:00")),
        {"since": "08:00", "at": "today"},
        None,
    )
    _, given, problem = read_times({"until": "noon", "since": "1h"}, VIEWER)
    assert given == {"until": "noon", "since": "1h"}
    assert problem is not None and problem.startswith("“noon” is not a time.")
