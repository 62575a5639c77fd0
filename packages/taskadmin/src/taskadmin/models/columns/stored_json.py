"""The column type of JSON: reading a row never fails, whatever it contains."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, ColumnElement, Dialect, Text, cast, func
from sqlalchemy.types import TypeDecorator

from ...values.storable import UNREADABLE, Beginning, read_json
from .typeless import TextAsBytes, text_of


class StoredJson(TypeDecorator[Any]):
    """JSON that is selected as text and parsed here.

    Drivers and SQLAlchemy would fail for a whole page of rows if one value is nested too deeply,
    has a huge number, or on SQLite isn't JSON. Such a value is read as ``UNREADABLE``, alone or
    within the column's usual shape.

    Args:
        shape: The type of the column's values: dict, list, or object for any.
        none_as_null: Store None as NULL instead of JSON's null.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, shape: type = object, *, none_as_null: bool = False) -> None:
        super().__init__(none_as_null=none_as_null)
        self.shape = shape

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Let the driver return text: its own JSON errors can't be caught."""
        return TextAsBytes(cast(column, Text), self)

    # Not process_result_value, which gets the value after JSON's own processor has read it.
    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        def process(stored: bytes | str | None) -> Any:
            text = text_of(stored)
            if text is None:
                return None
            value = read_json(text)
            return value if isinstance(value, self.shape) else self._replacement()

        return process

    def _replacement(self) -> Any:
        if self.shape is dict:
            return {"?": UNREADABLE}
        return [UNREADABLE] if self.shape is list else UNREADABLE


class ListedJson(StoredJson):
    """JSON for lists: beyond *most* characters, the database returns only the ``Beginning``."""

    cache_ok = True

    def __init__(self, most: int, shape: type = object) -> None:
        super().__init__(shape)
        self.most = most

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        begin: ColumnElement[str] = func.substr(cast(column, Text), 1, self.most + 1)
        return TextAsBytes(begin, self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        read = super().result_processor(dialect, coltype)

        def process(stored: bytes | str | None) -> Any:
            text = text_of(stored)
            if text is None or len(text) <= self.most:
                return read(text)
            return Beginning(text[: self.most])

        return process
