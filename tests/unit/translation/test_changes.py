"""The audit trail's names and values in words."""

from __future__ import annotations

import pytest

from taskadmin.translation.changes import value_name, value_text


@pytest.mark.parametrize(
    ("name", "label"),
    [("enabled", "Active"), ("arguments.url", "url"), ("another_name", "another_name")],
)
def test_names_are_those_of_the_forms(name: str, label: str) -> None:
    """An argument's own name stays."""
    assert value_name(name) == label


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (True, "enabled", "yes"),
        (False, "arguments.retry", "no"),
        (300, "every_seconds", "5 min"),
        (
            "2026-01-31T12:00:00+00:00",
            "resume_at",
            "Jan 31, 2026, 12:00:00\N{NARROW NO-BREAK SPACE}PM UTC",
        ),
        ("2026-01-31T12:00:00", "resume_at", "2026-01-31T12:00:00"),
        ("soon", "expires_at", "soon"),
        ("slot", "kind", "common slot"),
        ("slot", "arguments.kind", "slot"),
        (7, "max_runs", ""),
        # An argument of any size, which needn't be a time.
        (10**20, "arguments.wait_seconds", ""),
    ],
)
def test_values_are_in_words(value: object, name: str, text: str) -> None:
    """Other values than text are left to the page."""
    assert value_text(value, name) == text
