"""Arguments on pages."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from taskadmin.admin.arguments.display import (
    in_short,
    listed_arguments,
    value_in_words,
)
from taskadmin.models import TaskResult
from taskadmin.values.storable import Beginning

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text, as it is", "text, as it is"),
        (1234567.5, "1,234,567.5"),
        (True, "yes"),
        (None, "null"),
        (["ä", 1], '["ä", 1]'),
        (Beginning('"a long te'), "a long te"),
        (Beginning('  "cut in an escape \\u00'), "cut in an escape "),
        (Beginning('{"a": "\\u00e4'), '{"a": "ä'),
    ],
)
def test_values_are_in_words(app: Flask, value: Any, words: str) -> None:
    """Grouped numbers, complete texts, anything else as JSON."""
    with app.test_request_context():
        assert value_in_words(value) == words


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lower_limit": 1, "upper_limit": 1000}, "1 … 1,000"),
        ({"lower_limit": 1}, "lower_limit=1"),
        ({"to": "ana", "note": " two\n words "}, "to=ana, note=two words"),
        ({"text": "x" * 50}, f"text={'x' * 39}…"),
        ({"a": "x" * 40, "b": "y" * 40}, f"a={'x' * 40}, b={'y' * 33}…"),
        ({}, ""),
    ],
)
def test_a_line_has_them_in_short(app: Flask, arguments: dict[str, Any], line: str) -> None:
    """A range needs no names."""
    with app.test_request_context():
        assert in_short(arguments) == line


def test_arguments_that_were_read_in_part_are_left_out() -> None:
    """Secrets can't be told apart in them."""
    run = TaskResult(job="gone", task_params={})
    run.listed_params = Beginning('{"token": "hus')
    assert listed_arguments(run) == "…"
