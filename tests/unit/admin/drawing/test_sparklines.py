"""The last runs of a task as bars."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskadmin.admin.drawing.sparklines import Bar, Sparkline
from taskadmin.models import RunState

SECOND = timedelta(seconds=1)


def test_heights_are_durations() -> None:
    """A slow run doesn't flatten the others; skipped and instant runs are visible."""
    bars = [
        Bar(RunState.SUCCEEDED, 100 * SECOND),
        Bar(RunState.FAILED, SECOND),
        Bar(RunState.SUCCEEDED, 25 * SECOND),
        Bar(RunState.SKIPPED, None),
    ]
    assert Sparkline(bars).paths == {
        "succeeded": "M1 22v-21M5 22v-12",
        "failed": "M3 22v-6",
        "skipped": "M7 22v-4",
    }
    assert Sparkline([Bar(RunState.SUCCEEDED, 0 * SECOND)]).paths == {"succeeded": "M1 22v-4"}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "the last 0 runs, 0 failed"),
        (1, "the last run, 1 failed"),
        (2, "the last 2 runs, 2 failed"),
    ],
)
def test_a_picture_has_words(number: int, words: str) -> None:
    """As alternative text."""
    assert Sparkline([Bar(RunState.FAILED, SECOND)] * number).words == words
