"""The column type of states and kinds: rendered as SQL constants."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, literal_column
from sqlalchemy.sql.operators import OperatorType

from .typeless import String


class Word(String):
    """Text from an enumeration, rendered as an SQL constant in comparisons.

    PostgreSQL plans a repeated statement without its parameters: a state in a parameter then
    matches no partial index, and ``ON CONFLICT … WHERE kind = $1`` is an error.
    """

    class comparator_factory(String.Comparator[str]):  # noqa: N801 - SQLAlchemy's name
        """Comparisons with enumeration members."""

        def operate(self, op: OperatorType, *other: object, **kwargs: object) -> ColumnElement[Any]:
            return super().operate(op, *map(_constant, other), **kwargs)


def _constant(value: object) -> Any:
    if isinstance(value, StrEnum):
        return literal_column(f"'{value}'", String)
    if isinstance(value, list | tuple | set | frozenset):
        return [_constant(one) for one in value]
    return value
