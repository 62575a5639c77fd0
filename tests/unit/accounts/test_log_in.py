"""Log in, log out, and what ends a session."""

from __future__ import annotations

import logging

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from taskadmin.accounts import passwords
from taskadmin.models import User
from taskadmin.next_url import is_own_path

WRONG = "Username or password is wrong."


def log_in(client: FlaskClient, username: str, password: str, query: str = "") -> TestResponse:
    """Send the log in form."""
    data = {"username": username, "password": password}
    return client.post(f"/taskadmin/login{query}", data=data)


def is_signed_in(client: FlaskClient) -> bool:
    """Whether the profile opens."""
    return client.get("/taskadmin/profile").status_code == 200


@pytest.mark.parametrize("username", ["Ana", "ana", "ANA", " ana ", "Ａｎａ"])
def test_people_log_in_by_name_and_password(
    client: FlaskClient, ana: User, password: str, username: str
) -> None:
    """In whatever case or width the name is typed."""
    answer = log_in(client, username, password)

    assert (answer.status_code, answer.location) == (302, "/taskadmin/")
    assert is_signed_in(client)


@pytest.mark.parametrize(
    ("username", "password"),
    [("Ana", "wrong password"), ("Ana", ""), ("nobody", "correct horse battery"), ("", "x")],
)
def test_a_wrong_name_or_password_is_one_message(
    client: FlaskClient, ana: User, username: str, password: str
) -> None:
    """Nothing tells whether the name exists."""
    answer = log_in(client, username, password)

    assert answer.status_code == 422
    if username and password:
        assert WRONG in answer.text
    assert not is_signed_in(client)


def test_a_name_that_does_not_exist_costs_a_hash_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the answer doesn't tell who has an account."""
    verified: list[str] = []
    original = PasswordHasher.verify

    def verify(self: PasswordHasher, hash_: str, password: str) -> bool:
        verified.append(password)
        return original(self, hash_, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)

    log_in(client, "nobody", "some password")

    assert verified == ["some password"]


def test_a_deactivated_account_cannot_log_in(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """With the message of a wrong password."""
    ana.is_active = False
    session.commit()

    answer = log_in(client, "Ana", password)

    assert WRONG in answer.text
    assert not is_signed_in(client)


def test_a_session_ends_with_the_account(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """At the next request after the deactivation."""
    log_in(client, "Ana", password)
    assert is_signed_in(client)

    ana.is_active = False
    session.commit()

    assert not is_signed_in(client)


def test_a_stolen_cookie_is_dead_after_logging_out(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """Logging out ends every session of the person."""
    log_in(client, "Ana", password)
    thief = app.test_client()
    with client.session_transaction() as stolen, thief.session_transaction() as cookie:
        cookie.update(stolen)
    assert is_signed_in(thief)

    assert client.post("/taskadmin/logout").location == "/taskadmin/login"

    assert not is_signed_in(client)
    assert not is_signed_in(thief)


def test_logging_out_needs_a_post(client: FlaskClient, ana: User, password: str) -> None:
    """A link or a picture logs nobody out."""
    log_in(client, "Ana", password)

    assert client.get("/taskadmin/logout").status_code == 405
    assert is_signed_in(client)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "user_id", ["", "1", "1.", ".", "abc.def", "9" * 40 + ".x", "1.nonsense", "-1.x", "٣.x"]
)
def test_a_cookie_that_nobody_gave_signs_nobody_in(
    client: FlaskClient, ana: User, user_id: str
) -> None:
    """An id alone isn't enough, and no text is an error of the server."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user_id

    assert client.get("/taskadmin/profile").status_code == 302


@pytest.mark.databases("sqlite")
def test_a_tampered_cookie_signs_nobody_in(client: FlaskClient, ana: User, password: str) -> None:
    """The signature doesn't fit."""
    log_in(client, "Ana", password)
    value = client.get_cookie("session")
    assert value is not None
    client.set_cookie("session", value.value[:-4] + "AAAA")

    assert client.get("/taskadmin/profile").status_code == 302


def test_a_hash_of_older_parameters_is_renewed(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """At the next log in, without ending the other sessions."""
    ana.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    session.commit()
    nonce = ana.session_nonce

    log_in(client, "Ana", password)

    session.expire_all()
    assert not passwords.needs_rehash(ana.password_hash)
    assert ana.session_nonce == nonce


EVIL = [
    *("//evil.example", "https://evil.example", "http:evil", "javascript:alert(1)", "evil"),
    *("/\\evil.example", "\\\\evil.example", "/%2f%2fevil.example", "%2f%2fevil.example"),
    *(
        "/%5cevil.example",
        "/%255cevil.example",
        "/%252f%252fevil",
        "/\tevil",
        "/\r\nevil",
        "/%0d%0aevil",
    ),
    *("///evil.example", "/\0", "/\u202eevil", "", " //evil.example"),
]


@pytest.mark.parametrize("target", EVIL)
def test_paths_that_may_lead_away_are_not_own(target: str) -> None:
    """Whatever a browser or a proxy makes of them."""
    assert is_own_path(target) is False


@pytest.mark.parametrize(
    "target", ["/", "/taskadmin/tasks/?search=a%20b&page=2", "/a/b", "/taskadmin/runs/?task=1"]
)
def test_paths_of_the_site_are_own(target: str) -> None:
    """With their query."""
    assert is_own_path(target) is True


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("target", EVIL)
def test_logging_in_never_leads_to_another_site(
    client: FlaskClient, ana: User, password: str, target: str
) -> None:
    """``next`` is only followed to paths of this site."""
    data = {"username": "Ana", "password": password}
    answer = client.post("/taskadmin/login", query_string={"next": target}, data=data)

    assert answer.status_code == 302
    assert answer.location == "/taskadmin/"


@pytest.mark.databases("sqlite")
def test_logging_in_leads_back_to_where_one_was(
    client: FlaskClient, ana: User, password: str
) -> None:
    """The refused page's address goes round."""
    begin = client.get("/taskadmin/runs/?task=1&state=failed").location

    answer = client.post(begin, data={"username": "Ana", "password": password})

    assert answer.location == "/taskadmin/runs/?task=1&state=failed"


@pytest.mark.databases("sqlite")
def test_each_event_is_one_line_without_any_secret(
    client: FlaskClient, ana: User, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Failed log in, log in, log out: who, and never what was typed as password."""
    caplog.set_level(logging.DEBUG, "taskadmin")

    log_in(client, "Ana", "some other password")
    log_in(client, "Ana", password)
    client.post("/taskadmin/logout")

    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["Failed log in", "Ana logged in", "Ana logged out"]
    for record in caplog.records:
        assert password not in str(record.__dict__)
        assert "argon2" not in str(record.__dict__)


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.parametrize("path", ["login", "register"])
def test_account_forms_need_their_token(client: FlaskClient, ana: User, path: str) -> None:
    """Without it, or with a stale one, nobody is signed in or registered."""
    password = "correct horse battery"
    data = {"username": "Ana", "password": password, "confirm": password}

    for token in ({}, {"csrf_token": "stale"}):
        answer = client.post(f"/taskadmin/{path}", data={**data, **token})

        assert answer.status_code == 422
        assert "This form has expired; nothing was changed." in answer.text
    assert not is_signed_in(client)
