"""Cookies and tokens: whose they are and how long they are worth something."""

from __future__ import annotations

import logging
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.browser import hidden_fields
from taskadmin.accounts.passwords import verify_password
from taskadmin.models import User

NEW = "another long password"
CHANGE = {"password": NEW, "confirm": NEW}
pytestmark = pytest.mark.databases("sqlite")


def sign_in(client: FlaskClient, user: User) -> None:
    """Without the log in page."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user.get_id()


def token(client: FlaskClient, path: str = "profile") -> str:
    """The CSRF token of a page."""
    return hidden_fields(client.get(f"/taskadmin/{path}").text)["csrf_token"]


def test_a_stolen_cookie_is_dead_after_a_change_of_password(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """The copy ends; the session that changed it goes on."""
    sign_in(client, ana)
    thief = app.test_client()
    sign_in(thief, ana)
    assert thief.get("/taskadmin/profile").status_code == 200

    client.post("/taskadmin/profile", data={"current": password, **CHANGE})

    assert client.get("/taskadmin/profile").status_code == 200
    assert thief.get("/taskadmin/profile").status_code == 302


def test_a_cookie_from_before_a_deactivation_stays_dead(
    session: Session, app: Flask, client: FlaskClient, ana: User, make_user: MakeUser
) -> None:
    """Also when the person is let in again."""
    sign_in(client, ana)
    by_chief = app.test_client()
    sign_in(by_chief, make_user("chief", is_superuser=True))

    for data in ({}, {"is_active": "y"}):
        by_chief.post(f"/taskadmin/users/edit/?id={ana.id}", data={"x": "", **data})

    session.expire_all()
    assert ana.is_active
    assert client.get("/taskadmin/profile").status_code == 302


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_a_token_of_somebody_else_is_refused(
    session: Session,
    app: Flask,
    client: FlaskClient,
    ana: User,
    password: str,
    make_user: MakeUser,
) -> None:
    """It fits the session it was made for, and no other."""
    sign_in(client, ana)
    other = app.test_client()
    sign_in(other, make_user("mallory"))
    client.get("/taskadmin/profile")

    answer = client.post(
        "/taskadmin/profile", data={"current": password, **CHANGE, "csrf_token": token(other)}
    )

    assert answer.status_code == 422
    assert "This form has expired; nothing was changed." in answer.text
    session.expire_all()
    assert verify_password(ana.password_hash, password)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_a_token_from_before_the_log_in_is_refused_after_it(
    client: FlaskClient, ana: User, password: str
) -> None:
    """Whoever planted a session's token can't use it when the person has signed in."""
    planted = token(client, "login")
    data = {"username": "Ana", "password": password, "csrf_token": planted}
    assert client.post("/taskadmin/login", data=data).status_code == 302

    answer = client.post("/taskadmin/logout", data={"csrf_token": planted})

    assert answer.status_code == 400
    assert client.get("/taskadmin/profile").status_code == 200


@pytest.mark.settings(WTF_CSRF_ENABLED=True, WTF_CSRF_TIME_LIMIT=-1)
def test_a_form_that_was_open_too_long_says_so(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """Nothing is changed."""
    sign_in(client, ana)

    answer = client.post(
        "/taskadmin/profile", data={"current": password, **CHANGE, "csrf_token": token(client)}
    )

    assert answer.status_code == 422
    assert "This form has expired; nothing was changed." in answer.text


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nobody_is_logged_out_without_a_token(client: FlaskClient, ana: User) -> None:
    """400 in words; the button of the page does it."""
    sign_in(client, ana)

    refused = client.post("/taskadmin/logout")

    assert refused.status_code == 400
    assert "This form has expired" in refused.text
    logged_out = client.post("/taskadmin/logout", data={"csrf_token": token(client)})
    assert logged_out.location == "/taskadmin/login"
    assert client.get("/taskadmin/profile").status_code == 302


def test_logging_out_twice_is_no_error(client: FlaskClient) -> None:
    """Whoever isn't signed in is led to the log in page."""
    assert client.post("/taskadmin/logout").location == "/taskadmin/login"


@pytest.mark.parametrize("page", ["login", "register"])
def test_people_who_are_signed_in_need_no_log_in_page(
    client: FlaskClient, ana: User, page: str
) -> None:
    """They are led on, to paths of this site only."""
    sign_in(client, ana)

    def leads_to(target: str) -> str | None:
        return client.get(f"/taskadmin/{page}", query_string={"next": target}).location

    assert leads_to("/taskadmin/profile") == "/taskadmin/profile"
    assert leads_to("//evil.example") == "/taskadmin/"


def test_the_way_back_goes_through_registration(client: FlaskClient) -> None:
    """Whoever registers on the way lands on the page they wanted."""
    begin = client.get("/taskadmin/review/?sort=tasks").location
    link = re.search(r'href="(/taskadmin/register[^"]*)"', client.get(begin).text)
    assert link is not None

    answer = client.post(
        link[1].replace("&amp;", "&"),
        data={"username": "bea", "password": NEW, "confirm": NEW},
    )

    assert answer.location == "/taskadmin/review/?sort=tasks"


@pytest.mark.parametrize("forbidden", ["password", "argon2"])
def test_no_record_of_the_log_holds_a_password_or_a_hash(
    session: Session,
    client: FlaskClient,
    ana: User,
    password: str,
    caplog: pytest.LogCaptureFixture,
    forbidden: str,
) -> None:
    """Of any logger, SQLAlchemy's too, in its message or its fields."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "taskadmin")

    client.post("/taskadmin/login", data={"username": "Ana", "password": password})
    client.post("/taskadmin/profile", data={"current": password, **CHANGE})
    client.post("/taskadmin/profile", data={"current": "something else", **CHANGE})
    client.post("/taskadmin/logout")

    secrets = {"password": [password, NEW, "something else"], "argon2": ["$argon2"]}[forbidden]
    lines = [record.getMessage() for record in caplog.records if "taskadmin" in record.name]
    assert lines == ["Ana logged in", "Ana changed the password", "Ana logged out"]
    for record in caplog.records:
        assert not [secret for secret in secrets if secret in str(vars(record))]


def test_a_deactivated_person_who_tries_is_one_line(
    session: Session,
    client: FlaskClient,
    ana: User,
    password: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says what the page doesn't."""
    ana.is_active = False
    session.commit()
    caplog.set_level(logging.DEBUG, "taskadmin")

    client.post("/taskadmin/login", data={"username": "Ana", "password": password})

    assert [record.getMessage() for record in caplog.records] == [
        "Ana is deactivated and can't log in"
    ]


@pytest.mark.settings(WTF_CSRF_ENABLED=True, WTF_CSRF_FIELD_NAME="sent_back")
def test_a_planted_token_is_refused_under_the_hosts_field_name_too(
    client: FlaskClient, ana: User, password: str
) -> None:
    """The session keeps the token under the field's name."""
    planted = hidden_fields(client.get("/taskadmin/login").text)["sent_back"]
    client.post(
        "/taskadmin/login",
        data={"username": "Ana", "password": password, "sent_back": planted},
    )

    assert client.post("/taskadmin/logout", data={"sent_back": planted}).status_code == 400
    assert "This form has expired" in client.post("/taskadmin/profile").text
