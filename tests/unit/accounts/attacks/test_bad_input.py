"""Unexpected and malicious input to the account pages."""

from __future__ import annotations

import io

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from taskadmin.models import User

WRONG = "Username or password is wrong."
ODD = [
    pytest.param("a\0b", id="NUL"),
    pytest.param("a\u202eb", id="right to left override"),
    pytest.param("a\u200bb", id="zero width space"),
    pytest.param("a\u2066b", id="isolate"),
    pytest.param("a\r\nb", id="line break"),
    pytest.param("\u0301\u0301", id="combining marks"),
    pytest.param("' OR 1=1 --", id="SQL"),
    pytest.param("{{7*7}}<b>", id="template"),
    pytest.param("x" * 65, id="too long"),
    pytest.param("\ufdfa" * 20, id="long after NFKC"),
]


def people(session: Session) -> int:
    """Return the number of accounts."""
    return session.scalar(select(func.count()).select_from(User)) or 0


@pytest.mark.parametrize("text", ODD)
def test_log_in_takes_any_text_for_a_wrong_one(client: FlaskClient, ana: User, text: str) -> None:
    """As name and password: the same message on both databases."""
    for username, password in ((text, "some password"), ("Ana", text)):
        answer = client.post("/taskadmin/login", data={"username": username, "password": password})

        assert answer.status_code == 422
        assert WRONG in answer.text


@pytest.mark.parametrize("path", ["login", "register", "profile"])
@pytest.mark.databases("sqlite")
def test_a_body_larger_than_any_form_is_refused_unread(client: FlaskClient, path: str) -> None:
    """413, because anyone can send one."""
    answer = client.post(f"/taskadmin/{path}", data={"username": "x" * 1_000_000})

    assert answer.status_code == 413
    assert "Nothing was changed: the request is larger than any form here accepts." in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["login", "register"])
@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"username": 1, "password": [2]}', b"null"])
def test_json_is_no_form(session: Session, client: FlaskClient, path: str, body: bytes) -> None:
    """It counts as an empty form."""
    answer = client.post(f"/taskadmin/{path}", data=body, content_type="application/json")

    assert answer.status_code in (200, 422)
    assert people(session) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["login", "register"])
def test_files_are_no_names_and_no_passwords(
    session: Session, client: FlaskClient, path: str
) -> None:
    """A file with a field's name is an empty field."""
    data = {name: (io.BytesIO(b"x" * 20), "x") for name in ("username", "password", "confirm")}

    answer = client.post(f"/taskadmin/{path}", data=data)

    assert answer.status_code in (200, 422)
    assert people(session) == 0
