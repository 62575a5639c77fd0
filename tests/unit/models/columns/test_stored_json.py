"""JSON columns with any stored text."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select, text

from taskadmin.models.columns.stored_json import ListedJson, StoredJson
from taskadmin.values.storable import UNREADABLE, Beginning

TOO_DEEP = "[" * 5_000 + "]" * 5_000
HUGE = f"1{'0' * 5_000}"


def stored(engine: Engine, type_: StoredJson, written: str) -> Any:
    """Store JSON text directly, and read it through the column type."""
    table = Table("json_test", MetaData(), Column("id", Integer), Column("value", type_))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table).values(id=1))
        value = "CAST(:value AS json)" if engine.name == "postgresql" else ":value"
        connection.execute(text(f"UPDATE json_test SET value = {value}"), {"value": written})
        return connection.scalar(select(table.c.value))


@pytest.mark.parametrize(
    ("shape", "written", "read"),
    [
        (object, '{"a": [1, "ü"]}', {"a": [1, "ü"]}),
        (object, "null", None),
        (dict, "{}", {}),
        (dict, "[1]", {"?": UNREADABLE}),
        (list, "{}", [UNREADABLE]),
        (object, TOO_DEEP, UNREADABLE),
        (dict, TOO_DEEP, {"?": UNREADABLE}),
        (object, HUGE, UNREADABLE),
    ],
    ids=["value", "null", "dict", "no dict", "no list", "deep", "deep dict", "huge"],
)
def test_every_value_can_be_read(engine: Engine, shape: type, written: str, read: Any) -> None:
    """In the column's structure, so that pages can iterate over it."""
    assert stored(engine, StoredJson(shape), written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [('"abcdefgh"', "abcdefgh"), ('"abcdefghi"', Beginning('"abcdefghi'))],
)
def test_lists_read_the_beginning_of_a_long_value(engine: Engine, written: str, read: Any) -> None:
    """The database doesn't send the rest."""
    found = stored(engine, ListedJson(10), written)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(("none_as_null", "is_null"), [(True, True), (False, False)])
def test_none_is_null_or_jsons_null(engine: Engine, none_as_null: bool, is_null: bool) -> None:
    """As in the column's model."""
    type_ = StoredJson(none_as_null=none_as_null)
    table = Table("json_test", MetaData(), Column("value", type_))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(table).values(value=None))
        found = connection.scalar(text("SELECT value IS NULL FROM json_test"))
        assert bool(found) is is_null
        assert connection.scalar(select(table.c.value)) is None
