"""Names that look alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskadmin.values.confusables import SKELETON_LENGTH, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "\u0440\u0430\u0443\u0440\u0430\u04c0"),
        ("rn", "m"),
        ("O0o", "000"),
        ("Il1|", "llll"),
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
        ("\u03bf", "o"),
        ("\xe9", "e\u0301"),
        ("\u0643\u064a", "\u06a9\u06cc"),  # Arabic and Persian letters
        ("\u0647", "\u06c1"),
        ("\u0661\u0665", "\u06f1\u06f5"),
        ("\u05d5", "\u05df"),
    ],
)
def test_similar_texts_have_the_same_skeleton(one: str, other: str) -> None:
    """By Unicode's table."""
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("ana", "anna"), ("ada", "\xe4da"), ("a1", "a2")])
def test_different_texts_have_different_skeletons(one: str, other: str) -> None:
    """An accent makes a difference."""
    assert skeleton(one) != skeleton(other)


@given(st.text(max_size=64))
def test_a_skeleton_is_its_own(text: str) -> None:
    """It fits its column, and is its own skeleton."""
    one = skeleton(text)
    assert len(one) <= SKELETON_LENGTH
    assert skeleton(one) == one or len(one) == SKELETON_LENGTH
    assert skeleton(unicodedata.normalize("NFD", text)) == one
