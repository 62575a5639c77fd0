"""Read the HTML of taskadmin's pages."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient


def field_errors(page: str) -> list[tuple[str, str]]:
    """Return the message of each field that has one."""
    found = re.findall(r'<p class="error" id="([\w-]+)-error">(.*?)</p>', page)
    return [(field, html.unescape(text)) for field, text in found]


def messages(page: str) -> list[str]:
    """Return a page's flashed messages."""
    found = re.findall(r'<p class="message [^"]*"[^>]*>(.*?)</p>', page, re.DOTALL)
    return [text.strip() for text in found]


def next_messages(client: FlaskClient) -> list[str]:
    """Open the list of tasks, and return its flashed messages."""
    return messages(client.get("/taskadmin/tasks/").text)


class _Values(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._list: str | None = None
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if tag == "select":
            self._list = name
        elif tag == "option" and self._list is not None:
            # Without a selected option, a browser sends the first one.
            if "selected" in given or self._list not in self.values:
                self.values[self._list] = given.get("value") or ""
        elif tag == "textarea" and name is not None:
            self._area, self.values[name] = name, ""
        elif tag == "input" and name is not None:
            is_box = given.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in given:
                self.values[name] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        self._list = None if tag == "select" else self._list
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            # Browsers ignore a line break right after the tag.
            self.values[self._area] += data if self.values[self._area] else data.removeprefix("\n")


def form_values(page: str) -> dict[str, str]:
    """Return what a browser sends for a page's unchanged forms."""
    parser = _Values()
    parser.feed(page)
    return parser.values


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
    """Return the texts of a page's table cells, row by row."""
    parser = _Cells()
    parser.feed(page)
    return [row for row in parser.rows if row]


def live_parts(page: str) -> dict[str, bool]:
    """Return a page's live parts, and whether each is still refreshed."""
    found = re.findall(r'data-live="(\w+)"( data-live-done)?', page.partition("<main")[2])
    return {name: not done for name, done in found}


def told(client: FlaskClient, answer: Any) -> str:
    """Return the messages of the page that an action leads to."""
    assert answer.status_code == 302, answer.text
    return html.unescape(messages(client.get(answer.location).text)[-1])


def act(client: FlaskClient, action: str, *ids: object, path: str = "", **more: str) -> Any:
    """Do *action* on tasks."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post(f"/taskadmin/tasks/action/{path}", data=data)


def row_of(page: str, name: str) -> list[str]:
    """Return the cells of the row that begins with *name*."""
    (row,) = [row for row in cells(page) if row[0].startswith(name)]
    return row
