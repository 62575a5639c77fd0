"""Column types that can be read whatever a column contains: SQLite stores any value in any column.

SQLite's driver would refuse bytes that aren't UTF-8, and SQLAlchemy or a page would refuse text in
a column of numbers, times or UUIDs, for all rows at once. On PostgreSQL these are SQLAlchemy's
types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy
from sqlalchemy import ColumnElement, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from ...values.storable import UNREADABLE_NUMBER


class _AsStored(FunctionElement[Any]):
    """A column in the SELECT list, where it affects no index or order."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        super().__init__(column)
        self.type = type_


class TextAsBytes(_AsStored):
    """Text as bytes for ``text_of``, on SQLite."""

    inherit_cache = True


class _NumberOrBytes(_AsStored):
    """A number; on SQLite, empty bytes in place of text."""

    inherit_cache = True


@compiles(_AsStored)
def _as_it_is(element: _AsStored, compiler: SQLCompiler, **kw: object) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(TextAsBytes, "sqlite")
def _text_as_bytes(element: TextAsBytes, compiler: SQLCompiler, **kw: object) -> str:
    # The byte order mark shows the encoding of the database.
    return f"CAST(char(65279) || {compiler.process(element.clauses, **kw)} AS BLOB)"


@compiles(_NumberOrBytes, "sqlite")
def _number_or_bytes(element: _NumberOrBytes, compiler: SQLCompiler, **kw: object) -> str:
    column = compiler.process(element.clauses, **kw)
    return f"CASE typeof({column}) WHEN 'text' THEN x'' ELSE {column} END"


def text_of(value: bytes | str | None) -> str | None:
    r"""Decode a text column, with ``\xff`` for a byte that isn't UTF-8."""
    if not isinstance(value, bytes):
        return value
    return value.decode("utf-8-sig" if value[:1] == b"\xef" else "utf-16", "backslashreplace")


def _uuid_of(value: bytes | str | None) -> UUID | None:
    """Parse a UUID column; other text gives a UUID that is derived from it."""
    text = text_of(value)
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_OID, str(text))


def _integer_of(value: object) -> int | None:
    return value if isinstance(value, int | None) else UNREADABLE_NUMBER


def _float_of(value: object) -> float | None:
    return value if isinstance(value, float | int | None) else float("nan")


def _boolean_of(value: object) -> bool | None:
    # An unreadable value must not grant a role or enable anything.
    return None if value is None else isinstance(value, int | float) and bool(value)


class _Typeless(TypeEngine[Any]):
    as_stored: ClassVar[type[_AsStored]]
    #: Converts the selected value.
    read: Callable[[Any], Any]

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Select a form that SQLite's driver can always return."""
        return self.as_stored(column, self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Convert the selected value on SQLite; on PostgreSQL, change nothing."""
        if dialect.name == "sqlite":
            return self.read
        return super().result_processor(dialect, coltype)


class String(_Typeless, sqlalchemy.String):
    """A short text."""

    as_stored, read = TextAsBytes, staticmethod(text_of)


class Text(_Typeless, sqlalchemy.Text):
    """A text."""

    as_stored, read = TextAsBytes, staticmethod(text_of)


class Uuid(_Typeless, sqlalchemy.Uuid[UUID]):
    """A UUID."""

    as_stored, read = TextAsBytes, staticmethod(_uuid_of)


class Integer(_Typeless, sqlalchemy.Integer):
    """A 32-bit integer."""

    as_stored, read = _NumberOrBytes, staticmethod(_integer_of)


class BigInteger(_Typeless, sqlalchemy.BigInteger):
    """A 64-bit integer."""

    as_stored, read = _NumberOrBytes, staticmethod(_integer_of)


class Double(_Typeless, sqlalchemy.Double[float]):
    """A floating-point number; NaN in place of other values."""

    as_stored, read = _NumberOrBytes, staticmethod(_float_of)


class Boolean(_Typeless, sqlalchemy.Boolean):
    """A boolean; false in place of other values."""

    as_stored, read = _NumberOrBytes, staticmethod(_boolean_of)
