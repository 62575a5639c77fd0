"""Registration, profile, and change of password."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fixture_types import AtOnce
from taskadmin.models import AuditEntry, User
from taskadmin.store.people import passwords
from taskadmin.store.people.passwords import verify_password

PASSWORD = "correct horse battery"


def register(
    client: FlaskClient, username: str, password: str = PASSWORD, confirm: str | None = None
) -> TestResponse:
    """Submit the registration form."""
    return client.post(
        "/taskadmin/register",
        data={
            "username": username,
            "password": password,
            "confirm": password if confirm is None else confirm,
        },
    )


def errors(answer: TestResponse) -> list[tuple[str, str]]:
    """Return messages at the fields."""
    return re.findall(r'<p class="error" id="(\w+)-error">(.*?)</p>', answer.text)


def test_registration_signs_in_and_gives_no_rights(session: Session, client: FlaskClient) -> None:
    """Even if other fields are sent."""
    answer = client.post(
        "/taskadmin/register",
        data={
            "username": "Ana",
            "password": PASSWORD,
            "confirm": PASSWORD,
            "is_superuser": "y",
            "can_review_tasks": "y",
        },
    )

    assert answer.location == "/taskadmin/"
    user = session.scalars(select(User)).one()
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, False, False)
    assert (user.password_hash or "").startswith("$argon2id$")
    page = client.get("/taskadmin/profile").text
    assert "Your account has no role yet." in page


def test_a_registration_is_in_the_audit_trail(session: Session, client: FlaskClient) -> None:
    """Once; a refused second attempt isn't."""
    register(client, "Ana")
    client.delete_cookie("session")
    register(client, "ana")

    entry = session.scalars(select(AuditEntry)).one()
    user = session.scalars(select(User)).one()
    assert (entry.actor_id, entry.actor, entry.source) == (user.id, "Ana", "127.0.0.1")
    assert (entry.action, entry.subject_kind, entry.subject_id) == ("registered", "user", user.id)
    assert (entry.after or {})["is_superuser"] is False


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_REGISTRATION=False)
def test_registration_can_be_switched_off(session: Session, client: FlaskClient) -> None:
    """There is no page and no link."""
    assert client.get("/taskadmin/register").status_code == 404
    assert register(client, "ana").status_code == 404
    assert "register" not in client.get("/taskadmin/login").text
    assert session.scalars(select(User)).all() == []


@pytest.mark.parametrize("twin", ["ana", "ANA", "Ａna", "Ana "])
def test_a_name_is_taken_in_every_case_and_width(
    session: Session, client: FlaskClient, ana: User, twin: str
) -> None:
    """The message is at the field."""
    answer = register(client, twin)

    assert answer.status_code == 422
    assert [field for field, _ in errors(answer)] == ["username"]
    assert "is taken." in answer.text
    assert len(session.scalars(select(User)).all()) == 1


def test_two_registrations_of_one_name_at_once(
    app: Flask, session: Session, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One gets it, the other the message."""
    monkeypatch.setattr(passwords, "HASH_WAIT_SECONDS", 60)  # however busy the machine is
    answers = at_once(
        lambda: register(app.test_client(), "Ana"), lambda: register(app.test_client(), "ana")
    )

    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert len(session.scalars(select(User)).all()) == 1


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("password", "confirm", "expected"),
    [
        ("123456789", None, [("password", "A password must have at least 10 characters.")]),
        ("", None, [("password", "A password must have at least 10 characters.")]),
        ("x" * 1025, None, [("password", "A password can have at most 1024 characters.")]),
        (PASSWORD, "another one", [("confirm", "The passwords don&#39;t match.")]),
    ],
)
def test_passwords_that_cannot_be_set_are_refused_at_the_field(
    session: Session,
    client: FlaskClient,
    password: str,
    confirm: str | None,
    expected: list[tuple[str, str]],
) -> None:
    """422, without an account."""
    answer = register(client, "ana", password, confirm)

    assert answer.status_code == 422
    assert errors(answer) == expected
    assert session.scalars(select(User)).all() == []


@pytest.mark.parametrize(
    "username",
    [
        *("", " ", "a b", "a\0b", "a\u202eb", "a\u200bb", "a\nb", "x" * 65, "<script>"),
        *("x" * 1_000_000, "\u0301\u0301", "'; DROP TABLE", "{{7\u20287}}"),
    ],
)
def test_names_that_cannot_be_used_are_refused_at_the_field(
    session: Session, client: FlaskClient, username: str
) -> None:
    """Invisible, unprintable and too long names get a message."""
    answer = register(client, username)

    assert answer.status_code == (413 if len(username) > 1000 else 422)
    if answer.status_code == 422:
        assert [field for field, _ in errors(answer)] == ["username"]
    if len(username) == 3:
        assert "letters, digits and punctuation, without spaces." in answer.text
    assert session.scalars(select(User)).all() == []


def test_a_changed_password_ends_every_other_session(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    """The current session continues."""
    register(client, "ana")
    other = app.test_client()
    other.post("/taskadmin/login", data={"username": "ana", "password": PASSWORD})
    new = "another long password"

    answer = client.post(
        "/taskadmin/profile", data={"current": PASSWORD, "password": new, "confirm": new}
    )

    assert answer.location == "/taskadmin/profile"
    assert verify_password(session.scalars(select(User.password_hash)).one(), new)
    assert client.get("/taskadmin/profile").status_code == 200
    assert other.get("/taskadmin/profile").status_code == 302


def test_a_changed_password_is_in_the_audit_trail_without_it(
    session: Session, client: FlaskClient
) -> None:
    """Once; a refused attempt has another entry."""
    register(client, "ana")
    new = "another long password"
    for current in ("a wrong password", PASSWORD):
        client.post(
            "/taskadmin/profile", data={"current": current, "password": new, "confirm": new}
        )

    newest, failed, _ = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()))
    assert (failed.actor, failed.action) == ("ana", "failed_log_in")
    assert (newest.actor, newest.source, newest.action) == ("ana", "127.0.0.1", "changed")
    assert (newest.subject_kind, newest.subject) == ("user", "ana")
    assert newest.before == newest.after == {"password": "••••••"}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("current", "password", "confirm", "field"),
    [
        ("wrong password", "another long password", None, "current"),
        ("", "another long password", None, "current"),
        (PASSWORD, "short", None, "password"),
        (PASSWORD, "another long password", "a third one", "confirm"),
    ],
)
def test_changing_a_password_requires_the_current_one(
    session: Session,
    client: FlaskClient,
    current: str,
    password: str,
    confirm: str | None,
    field: str,
) -> None:
    """The message is at the field, and the old one stays."""
    register(client, "ana")

    answer = client.post(
        "/taskadmin/profile",
        data={"current": current, "password": password, "confirm": confirm or password},
    )

    assert answer.status_code == 422
    assert [name for name, _ in errors(answer)] == [field]
    assert verify_password(session.scalars(select(User.password_hash)).one(), PASSWORD)


def test_bytes_that_are_no_text_are_no_error_of_the_server(
    session: Session, client: FlaskClient
) -> None:
    """Werkzeug escapes what it can't decode, and the escaped text is the name."""
    answer = client.post(
        "/taskadmin/register",
        data="username=a%ED%A0%80&" + urlencode({"password": PASSWORD, "confirm": PASSWORD}),
        content_type="application/x-www-form-urlencoded",
    )

    assert answer.status_code == 302
    assert session.scalars(select(User.username)).all() == ["a%ED%A0%80"]
