"""Findings of checks, and texts for durations and sizes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskadmin.health.finding import (
    Answer,
    english_ago,
    english_duration,
    ok,
    problem,
    size_in_words,
    warning,
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ok("Fine."), ("ok", "Fine.", None)),
        (warning("Slow."), ("warning", "Slow.", None)),
        (warning("Slow.", "Wait."), ("warning", "Slow.", "Wait.")),
        (problem("Down.", "Start it."), ("problem", "Down.", "Start it.")),
    ],
)
def test_an_answer_has_a_status(answer: Answer, expected: tuple[str, str, str | None]) -> None:
    """Each severity has a function with its name."""
    assert answer == expected


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=90), "1 min, 30 sec"),
        (timedelta(hours=2), "2 hr"),
        (timedelta(days=3), "3 days"),
    ],
)
def test_lengths_are_in_english(length: timedelta, words: str) -> None:
    """The doctor's output isn't translated."""
    assert (english_duration(length), english_ago(length)) == (words, f"{words} ago")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0.0 KiB"),
        (1023, "1.0 KiB"),
        (1024**2, "1.0 MiB"),
        (3 * 1024**3 // 2, "1.5 GiB"),
        (5 * 1024**5, "5120.0 TiB"),
    ],
)
def test_sizes_are_in_the_largest_unit(size: int, words: str) -> None:
    """From KiB to TiB."""
    assert size_in_words(size) == words
