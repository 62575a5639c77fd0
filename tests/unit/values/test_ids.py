"""Ids that a column can hold."""

from __future__ import annotations

import pytest

from taskadmin.models.base import Base
from taskadmin.values.ids import MAX_BIG_ID, MAX_ID, can_be_id, parse_id, possible_ids


@pytest.mark.parametrize(("number", "expected"), [(-1, False), (0, False), (1, True)])
def test_ids_begin_at_one(number: int, expected: bool) -> None:
    """Sequences never return less."""
    assert can_be_id(number) is expected


@pytest.mark.parametrize("largest", [MAX_ID, MAX_BIG_ID])
def test_larger_numbers_cant_be_ids(largest: int) -> None:
    """PostgreSQL refuses to compare them with the column."""
    assert can_be_id(largest, largest=largest)
    assert not can_be_id(largest + 1, largest=largest)


def test_only_possible_ids_are_left() -> None:
    """In order, each once."""
    assert possible_ids([9, 0, 2**31, 3, 9]) == [3, 9]


def test_limits_are_those_of_the_columns() -> None:
    """Integer, or bigint."""
    types = {
        name: str(table.c.id.type)
        for name, table in Base.metadata.tables.items()
        if "id" in table.c
    }
    assert {types[name] for name in ("taskadmin_user", "taskadmin_task")} == {"INTEGER"}
    assert {types[name] for name in ("taskadmin_launch", "taskadmin_task_result")} == {"BIGINT"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("٣", None),
        ("9" * 20, None),
    ],
)
def test_ids_in_urls_are_digits(text: str | None, number: int | None) -> None:
    """Anything else is no id."""
    assert parse_id(text) == number
