"""What taskadmin's pages say, read from their HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from flask.testing import FlaskClient


def field_errors(page: str) -> list[tuple[str, str]]:
    """Names of the fields that have a message, each with the message."""
    return re.findall(r'<p class="error" id="(\w+)-error">(.*?)</p>', page)


def messages(page: str) -> list[str]:
    """What a page says about what was just done."""
    found = re.findall(r'<p class="message [^"]*"[^>]*>(.*?)</p>', page, re.DOTALL)
    return [text.strip() for text in found]


def next_messages(client: FlaskClient) -> list[str]:
    """What the list of tasks, opened now, says about what was just done."""
    return messages(client.get("/taskadmin/tasks/").text)


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self._cell is not None:
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def cells(page: str) -> list[list[str]]:
    """Texts of the body cells of a page's tables, row by row."""
    parser = _Cells()
    parser.feed(page)
    return [row for row in parser.rows if row]
