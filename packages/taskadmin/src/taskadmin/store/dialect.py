"""What PostgreSQL and SQLite spell differently."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    any_,
    cast,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_with_conflicts(session: Session, table: Any) -> Any:
    """An INSERT into *table* that knows ``ON CONFLICT``."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def is_one_of(session: Session, column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Whether *column* is one of *ids*, however many: on PostgreSQL they are one parameter."""
    if session.get_bind().dialect.name != "postgresql":
        found: ColumnElement[bool] = column.in_(ids)
        return found
    # As its text, which costs the driver a tenth of a list.
    given = literal(f"{{{','.join(map(str, ids))}}}", Text)
    return column == any_(cast(given, postgresql.ARRAY(BigInteger)))  # type: ignore[no-any-return]


def list_of(session: Session, column: ColumnElement[int]) -> ColumnElement[str]:
    """An aggregate: all values of *column* as one JSON text, in no order.

    Thousands of rows take the drivers many times as long as one text.
    """
    if session.get_bind().dialect.name != "postgresql":
        return func.json_group_array(column)
    return cast(func.json_agg(column), Text)


def given_rows(table: Any, rows: Sequence[Mapping[str, Any]]) -> FromClause:
    """Rows for *table* as a table, for PostgreSQL: they travel as one text.

    Thousands of parameters take the drivers longer than everything else that is done with them.

    Args:
        rows: With the same keys: names of the table's columns.
    """
    types = {name: table.c[name].type for name in rows[0]}
    # As texts in the text: the server would read them otherwise, and not every JSON is one
    # that it can read.
    inner = {name for name, type_ in types.items() if isinstance(type_, JSON)}
    text = json.dumps([_as_json(row, inner) for row in rows])
    taken = func.json_to_recordset(cast(literal(text, Text), JSON)).table_valued(
        *(column(name, Text if name in inner else type_) for name, type_ in types.items()),
        name="given",
    )
    columns = taken.render_derived(with_types=True).c
    return select(
        *(
            cast(columns[name], JSON).label(name) if name in inner else columns[name]
            for name in types
        )
    ).subquery("given_rows")


def _as_json(row: Mapping[str, Any], inner: Collection[str]) -> dict[str, Any]:
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else json.dumps(value)
        if name in inner and value is not None
        else value
        for name, value in row.items()
    }
