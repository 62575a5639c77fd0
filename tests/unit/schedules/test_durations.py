"""Durations as text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskadmin.schedules.durations import duration_in_words, every_in_words


@pytest.mark.parametrize(
    ("seconds", "length", "often"),
    [
        (0, "0 seconds", "every 0 seconds"),
        (1, "1 second", "every second"),
        (1.5, "1.5 seconds", "every 1.5 seconds"),
        (60, "1 minute", "every minute"),
        (3600, "1 hour", "every hour"),
        (5400, "1 hour and 30 minutes", "every 1 hour and 30 minutes"),
        (86_400, "1 day", "every day"),
        (
            90_061,
            "1 day, 1 hour, 1 minute and 1 second",
            "every 1 day, 1 hour, 1 minute and 1 second",
        ),
        (14 * 86_400, "14 days", "every 14 days"),
    ],
)
def test_durations(seconds: float, length: str, often: str) -> None:
    """Days and smaller units, exactly."""
    assert duration_in_words(timedelta(seconds=seconds)) == length
    assert every_in_words(timedelta(seconds=seconds)) == often


@pytest.mark.usefixtures("elsewhere")
def test_durations_in_another_language() -> None:
    """With the reader's numbers."""
    assert duration_in_words(timedelta(seconds=3601.5)) == "1 HOUR & 1,5 SECONDS"
