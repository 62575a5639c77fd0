"""Pages of lists: cursors, and links to the next page."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from flask import request, url_for
from pydantic import BaseModel, ConfigDict, Field

from ..values.ids import MAX_BIG_ID
from .errors import invalid

_ID_BYTES = 8
_MARK_BYTES = 4


class Query(BaseModel):
    """Parameters of a query; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """A page of a list, newest first."""

    limit: int = Field(50, ge=1, le=200, description="Maximum items of the page.")
    cursor: str | None = Field(
        None,
        max_length=100,
        description="Where the page begins: of the `next` link of the page before.",
    )

    @property
    def before(self) -> int | None:
        """The cursor's number; None for the first page.

        Raises:
            Refused: If it isn't a cursor of this list.
        """
        if self.cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(self.cursor.encode("ascii"))
        except (binascii.Error, UnicodeEncodeError):
            raw = b""
        number = int.from_bytes(raw[:_ID_BYTES], "big")
        if raw[_ID_BYTES:] != _mark() or number > MAX_BIG_ID:
            raise invalid(
                "This isn't a cursor of this list: follow the `next` link of a page, and keep the"
                " filter.",
                parameter="cursor",
            )
        return number


class _Row(Protocol):
    @property
    def id(self) -> int: ...


Row = TypeVar("Row")
IdRow = TypeVar("IdRow", bound=_Row)


def page_of(query: PageQuery, rows: Sequence[IdRow]) -> tuple[Sequence[IdRow], str | None]:
    """Return a page's rows, and the link to the next page; *rows* may have one more."""
    shown = rows[: query.limit]
    return shown, next_link(shown[-1].id) if len(rows) > query.limit else None


def next_link(number: int) -> str:
    """Return the address of the page after *number*, with the filter of this one."""
    cursor = base64.urlsafe_b64encode(number.to_bytes(_ID_BYTES, "big") + _mark()).decode()
    values: dict[str, Any] = {**(request.view_args or {}), **request.args, "cursor": cursor}
    return url_for(str(request.endpoint), **values)


def _mark() -> bytes:
    """Return a checksum of the list and its filter."""
    ignored = ("cursor", "limit")
    filters = sorted((name, text) for name, text in request.args.items() if name not in ignored)
    text = repr((request.path, filters)).encode("utf-8", "surrogatepass")
    return hashlib.blake2s(text, digest_size=_MARK_BYTES).digest()
