"""Read and show times and durations of a schedule form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from taskadmin.admin.tasks.schedule_texts import (
    read_moment,
    read_seconds,
    read_whole,
    wall_text,
    with_unit,
)
from taskadmin.schedules import InvalidSchedule

pytestmark = [pytest.mark.databases("sqlite"), pytest.mark.usefixtures("_request")]


@pytest.fixture
def _request(app: Flask) -> Iterator[None]:
    with app.test_request_context():
        yield


@pytest.mark.parametrize(("text", "number"), [("", None), ("1", 1), ("000000012", 12)])
def test_whole_numbers_are_read(text: str, number: int | None) -> None:
    """An empty text means none."""
    assert read_whole("max_runs", text) == number


@pytest.mark.parametrize("text", ["x", "-1", "1.5", " 1", "١", "1234567890"])
def test_other_numbers_are_refused_at_their_field(text: str) -> None:
    """With a message for the form."""
    with pytest.raises(InvalidSchedule) as refused:
        read_whole("max_runs", text)
    assert refused.value.field == "max_runs"
    assert refused.value.message == "Enter a whole number of 1 or more, or leave this empty."


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [("", 60, None), ("5", 60, 300), ("1.5", 3600, 5400), ("0.1", 60, 6), ("0", 1, 0)],
)
def test_durations_are_read_in_their_unit(text: str, unit: int, seconds: int | None) -> None:
    """Fractions of a unit must be whole seconds."""
    assert read_seconds("every", text, unit) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("five", "Enter a number such as 5 or 1.5."),
        ("1e3", "Enter a number such as 5 or 1.5."),
        ("0.5", "This must be a whole number of seconds."),
    ],
)
def test_other_durations_are_refused(text: str, message: str) -> None:
    """Schedules have no fractions of a second."""
    with pytest.raises(InvalidSchedule) as refused:
        read_seconds("every", text, 1)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("", "UTC", None),
        ("2026-07-01T14:30", "Europe/Berlin", datetime(2026, 7, 1, 12, 30, tzinfo=UTC)),
        # Clocks show 02:30 twice; the first is in summer time.
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-07-01T14:30:15.5", "UTC", datetime(2026, 7, 1, 14, 30, 15, 500_000, tzinfo=UTC)),
        # The zone's own field reports it.
        ("2026-07-01T14:30", "Nowhere/At_All", None),
    ],
)
def test_moments_are_read_in_a_zone(text: str, zone: str, moment: datetime | None) -> None:
    """Stored in UTC."""
    assert read_moment("once_at", text, zone) == moment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tomorrow", "Enter a date and a time such as 2026-01-31 14:30."),
        ("2026-02-30T10:00", "2026-02-30 10:00 does not exist. Check the day and the time."),
        (
            "2026-03-29T02:30",
            (
                "Clocks in Europe/Berlin skip this time: they go forward by 1 hour."
                " Choose an earlier or a later one."
            ),
        ),
        ("0001-01-01T00:00", "The date must be in the years 1970 to 2999."),
    ],
)
def test_times_that_do_not_exist_are_refused(text: str, message: str) -> None:
    """Another time would be a guess."""
    with pytest.raises(InvalidSchedule) as refused:
        read_moment("once_at", text, "Europe/Berlin")
    assert (refused.value.field, refused.value.message) == ("once_at", message)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ("", "60")),
        (0, ("0", "1")),
        (90, ("90", "1")),
        (5400, ("90", "60")),
        (7200, ("2", "3600")),
        (86_400, ("1", "86400")),
    ],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(
    seconds: int | None, shown: tuple[str, str]
) -> None:
    """It is read back as the same seconds."""
    assert with_unit(seconds) == shown
    if seconds is not None:
        assert read_seconds("every", shown[0], int(shown[1])) == seconds


@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        (None, "UTC", ""),
        (datetime(2026, 7, 1, 12, 30, tzinfo=UTC), "Europe/Berlin", "2026-07-01T14:30"),
        (datetime(2026, 7, 1, 12, 30, 5, tzinfo=UTC), "UTC", "2026-07-01T12:30:05"),
        # A zone that this machine no longer has.
        (datetime(2026, 7, 1, 12, 30, tzinfo=UTC), "Nowhere/At_All", "2026-07-01T12:30"),
    ],
)
def test_a_moment_is_shown_in_its_zone(moment: datetime | None, zone: str, shown: str) -> None:
    """To the minute, unless it has seconds."""
    assert wall_text(moment, zone) == shown
