"""Expressions that differ between PostgreSQL and SQLite."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    any_,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from ...models.columns.stored_json import StoredJson


def insert_with_conflicts(session: Session, table: Any) -> Any:
    """Return an INSERT into *table* that supports ``ON CONFLICT``."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def is_one_of(session: Session, column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return *column* ``IN`` *ids*, for any number of ids: PostgreSQL gets one parameter."""
    if session.get_bind().dialect.name != "postgresql":
        is_in: ColumnElement[bool] = column.in_(ids)
        return is_in
    # Passing text costs the driver a tenth of passing a list. It has no type, or PostgreSQL would
    # convert it in each statement, not know its length and compare each row with each id: deleting
    # 5,000 of 100,000 tasks without statistics took 44 s. A constant array is hashed.
    given = literal(f"{{{','.join(map(str, ids))}}}", NullType())
    return column == any_(cast(given, postgresql.ARRAY(column.type)))  # type: ignore[no-any-return]


def list_of(session: Session, column: ColumnElement[int]) -> ColumnElement[str]:
    """Aggregate all values of *column* into one JSON text, in no order.

    Drivers take many times as long for thousands of rows as for one text.
    """
    if session.get_bind().dialect.name != "postgresql":
        return func.json_group_array(column)
    return cast(func.json_agg(column), Text)


class bucket_of(FunctionElement[int]):  # noqa: N801 - written like an SQL function
    """The index of the first of *bounds* that a number doesn't exceed; their number if none."""

    type = Integer()
    inherit_cache = True

    def __init__(self, number: ColumnElement[float], bounds: Sequence[float]) -> None:
        # As clauses, so that they are part of the key of the cache of statements.
        super().__init__(number, *(literal_column(repr(float(bound))) for bound in bounds))


@compiles(bucket_of)
def _bucket(element: bucket_of, compiler: Any, **kw: Any) -> str:
    number, *bounds = (compiler.process(clause, **kw) for clause in element.clauses)
    # A bound belongs to the bucket below it, but width_bucket() puts it into the one above.
    above = ", ".join(repr(math.nextafter(float(bound), math.inf)) for bound in bounds)
    return f"width_bucket({number}, CAST(ARRAY[{above}] AS double precision[]))"


@compiles(bucket_of, "sqlite")
def _bucket_sqlite(element: bucket_of, compiler: Any, **kw: Any) -> str:
    number, *bounds = (compiler.process(clause, **kw) for clause in element.clauses)
    cases = (f"WHEN {number} <= {bound} THEN {place}" for place, bound in enumerate(bounds))
    return f"(CASE {' '.join(cases)} ELSE {len(bounds)} END)"


def given_rows(table: Any, rows: Sequence[Mapping[str, Any]]) -> FromClause:
    """Return *rows* as a subquery with the types of *table*, for PostgreSQL.

    The rows are sent as one JSON text: drivers spend more time on thousands of parameters than
    the database spends on the rest.

    Args:
        rows: Mappings with the same keys, which are column names of the table.
    """
    types = {name: table.c[name].type for name in rows[0]}
    # JSON values are nested as strings: the server would parse them otherwise, and not every
    # stored JSON is valid for PostgreSQL.
    inner = {name for name, type_ in types.items() if isinstance(type_, StoredJson)}
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


def _as_json(row: Mapping[str, object], inner: Collection[str]) -> dict[str, object]:
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else json.dumps(value)
        if name in inner and value is not None
        else value
        for name, value in row.items()
    }
