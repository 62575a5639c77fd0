"""What PostgreSQL and SQLite spell differently."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, literal
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
    return column == any_(literal(list(ids), postgresql.ARRAY(BigInteger)))  # type: ignore[no-any-return]
