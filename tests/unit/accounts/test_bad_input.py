"""What people, programs and attackers send to the account pages."""

from __future__ import annotations

import io

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.pages import field_errors
from taskadmin.models import User

WRONG = "Username or password is wrong."
CHARACTERS = "A username consists of letters, digits and punctuation, without spaces."
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
    """How many accounts there are."""
    return session.scalar(select(func.count()).select_from(User)) or 0


@pytest.mark.parametrize("text", ODD)
def test_log_in_takes_any_text_for_a_wrong_one(client: FlaskClient, ana: User, text: str) -> None:
    """As name and as password: one message, on both databases."""
    for username, password in ((text, "some password"), ("Ana", text)):
        answer = client.post("/taskadmin/login", data={"username": username, "password": password})

        assert answer.status_code == 422
        assert WRONG in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("text", ["a\0b", "a\u202eb", "a\u200bb", "a\u2066b", "two words"])
def test_the_message_about_a_name_is_at_the_field(
    session: Session, client: FlaskClient, text: str
) -> None:
    """And says what a name consists of."""
    data = {"username": text, "password": "1234567890", "confirm": "1234567890"}

    answer = client.post("/taskadmin/register", data=data)

    assert answer.status_code == 422
    assert field_errors(answer.text) == [("username", CHARACTERS)]
    assert people(session) == 0


@pytest.mark.parametrize("path", ["login", "register", "profile"])
@pytest.mark.databases("sqlite")
def test_a_body_larger_than_any_form_is_refused_unread(client: FlaskClient, path: str) -> None:
    """413 in words: anybody may send one."""
    answer = client.post(f"/taskadmin/{path}", data={"username": "x" * 1_000_000})

    assert answer.status_code == 413
    assert "Nothing was changed: this is more than any form here takes." in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["login", "register"])
@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"username": 1, "password": [2]}', b"null"])
def test_json_is_no_form(session: Session, client: FlaskClient, path: str, body: bytes) -> None:
    """An empty form's messages, and nobody signed in or registered."""
    answer = client.post(f"/taskadmin/{path}", data=body, content_type="application/json")

    assert answer.status_code in (200, 422)
    assert people(session) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["login", "register"])
def test_files_are_no_names_and_no_passwords(
    session: Session, client: FlaskClient, path: str
) -> None:
    """A file under a field's name is an empty field."""
    data = {name: (io.BytesIO(b"x" * 20), "x") for name in ("username", "password", "confirm")}

    answer = client.post(f"/taskadmin/{path}", data=data)

    assert answer.status_code in (200, 422)
    assert people(session) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["login", "register", "profile", "logout"])
def test_other_methods_are_refused(client: FlaskClient, path: str, method: str) -> None:
    """405."""
    assert client.open(f"/taskadmin/{path}", method=method).status_code == 405


@pytest.mark.databases("sqlite")
def test_an_account_of_the_hosts_has_no_password_to_guess(
    session: Session, client: FlaskClient, ana: User
) -> None:
    """Neither the empty one nor the one that stands in for the timing."""
    ana.password_hash = None
    session.commit()

    for password in ("", "None", "nobody's password"):
        client.post("/taskadmin/login", data={"username": "Ana", "password": password})
        assert client.get("/taskadmin/profile").status_code == 302


@pytest.mark.databases("sqlite")
def test_a_hash_that_is_none_lets_nobody_in(
    session: Session, client: FlaskClient, ana: User
) -> None:
    """A row that was broken by hand is a wrong password, not an error of the server."""
    ana.password_hash = "not a hash"
    session.commit()

    answer = client.post("/taskadmin/login", data={"username": "Ana", "password": "not a hash"})

    assert answer.status_code == 422
    assert WRONG in answer.text
