"""Convert stored values for pages, exports and terminals."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from taskadmin.values.showable import showable
from taskadmin.values.storable import UNREADABLE, UnreadableNumber


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (UNREADABLE, "can't be shown"),
        (UnreadableNumber(), "can't be shown"),
        ("half \ud800, NUL \0", r"half \ud800, NUL \x00"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1.5, 1.5),
        (None, None),
        ({"a\0": (1, [UNREADABLE])}, {r"a\x00": [1, ["can't be shown"]]}),
        ({5: "x"}, {"5": "x"}),
    ],
)
def test_values_are_made_fit(value: Any, shown: Any) -> None:
    """At any depth; the result is JSON."""
    assert showable(value) == shown
    json.dumps(showable(value), allow_nan=False).encode()


def test_other_types_than_jsons_stay_unchanged() -> None:
    """The caller converts it."""
    assert showable([Decimal("1.50")]) == [Decimal("1.50")]
