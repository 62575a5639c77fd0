"""A browser without JavaScript: keeps cookies, reads forms and sends their tokens."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import object_session
from werkzeug.test import TestResponse

from taskadmin.models import User
from taskadmin.store.people import sessions


def begin_session(user: User) -> str:
    """Return the key of a new session of *user*, as in the cookie."""
    session = object_session(user)
    assert session is not None
    return sessions.begin_session(
        session, user.id, nonce=user.session_nonce, address="192.0.2.1", user_agent="tests"
    )


def sign_in(client: FlaskClient, user: User) -> FlaskClient:
    """Log *user* in without the log in page."""
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = begin_session(user), True
    return client


class Browser:
    """A user's browser."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self.page = ""

    def get(self, path: str) -> TestResponse:
        """Open a page, and follow redirects."""
        return self._seen(self._client.get(path, follow_redirects=True))

    def submit(self, path: str, **fields: Any) -> TestResponse:
        """Open the form at *path*, and send *fields* with its hidden fields."""
        assert self.get(path).status_code == 200, self.page
        return self.post(path, **fields)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send *fields* with the hidden fields of the current page."""
        data = {**hidden_fields(self.page), **fields}
        return self._seen(self._client.post(path, data=data, follow_redirects=True))

    def _seen(self, response: TestResponse) -> TestResponse:
        self.page = response.get_data(as_text=True)
        return response

    def messages(self) -> list[str]:
        """Return the page's flashed messages."""
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
    """Return names and values of a page's hidden inputs."""
    parser = _Hidden()
    parser.feed(page)
    return parser.fields
