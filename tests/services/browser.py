"""A browser without JavaScript: keeps cookies, reads forms, sends their tokens."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse


class Browser:
    """One person's visits of an application."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self.page = ""

    def get(self, path: str) -> TestResponse:
        """Open a page and follow where it leads."""
        return self._seen(self._client.get(path, follow_redirects=True))

    def submit(self, path: str, **fields: Any) -> TestResponse:
        """Open the form at *path* and send *fields* with its hidden ones."""
        assert self.get(path).status_code == 200, self.page
        return self.post(path, **fields)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send *fields* with the hidden ones of the page that is open."""
        data = {**hidden_fields(self.page), **fields}
        return self._seen(self._client.post(path, data=data, follow_redirects=True))

    def _seen(self, response: TestResponse) -> TestResponse:
        self.page = response.get_data(as_text=True)
        return response

    def messages(self) -> list[str]:
        """What the page says about what was just done."""
        found = re.findall(r'<p class="message [^"]*"[^>]*>(.*?)</p>', self.page, re.DOTALL)
        return [text.strip() for text in found]


class _Hidden(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.fields[given["name"] or ""] = given.get("value") or ""


def hidden_fields(page: str) -> dict[str, str]:
    """Names and values of the hidden inputs of a page."""
    parser = _Hidden()
    parser.feed(page)
    return parser.fields
