"""Values in files for spreadsheets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskadmin.values.cells import cell, plain


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "＝", "＋"])
def test_no_text_is_a_formula(begin: str) -> None:
    """Also in spreadsheets that accept full-width characters."""
    assert cell(f"{begin}1") == f"'{begin}1"
    assert cell(f"1{begin}") == f"1{begin}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("", ""),
        (-5, -5),
        (True, True),
        (["ä", None], '["ä", null]'),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (timedelta(minutes=1.5), 90.0),
    ],
)
def test_a_cell_holds_numbers_and_texts(value: Any, written: Any) -> None:
    """Anything else is JSON; times are ISO 8601, durations seconds."""
    assert cell(value) == written
    if isinstance(value, datetime | timedelta):
        assert plain(value) == written
