"""Validity of cookies and tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import current_user
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeUser, SignIn
from services.accounts import is_signed_in, log_in
from services.browser import hidden_fields, sign_in
from taskadmin.models import User, UserSession
from taskadmin.state import get_state
from taskadmin.store.database.clock import now
from taskadmin.store.people.passwords import verify_password
from taskadmin.web.page_requests import LIVE_HEADER

POLL = {LIVE_HEADER: "1"}
NEW = "another long password"
CHANGE = {"password": NEW, "confirm": NEW}


def token(client: FlaskClient, path: str = "profile") -> str:
    """Return a page's CSRF token."""
    return hidden_fields(client.get(f"/taskadmin/{path}").text)["csrf_token"]


def wait(session: Session, minutes: float, *columns: str) -> None:
    """Move the sessions' times back."""
    moment = now(session) - timedelta(minutes=minutes)
    session.execute(update(UserSession).values(dict.fromkeys(columns or ("seen_at",), moment)))
    session.commit()


def seen_at(session: Session) -> datetime:
    """Return when the only session was last seen."""
    session.expire_all()
    return session.scalars(select(UserSession.seen_at)).one()


def test_a_session_ends_with_the_account(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """At the next request after its deactivation."""
    log_in(client, "Ana", password)
    assert is_signed_in(client)

    ana.is_active = False
    session.commit()

    assert not is_signed_in(client)


def test_a_stolen_cookie_is_dead_after_logging_out(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """Logging out ends this session only."""
    log_in(client, "Ana", password)
    thief, phone = app.test_client(), app.test_client()
    log_in(phone, "Ana", password)
    with client.session_transaction() as stolen, thief.session_transaction() as cookie:
        cookie.update(stolen)
    assert is_signed_in(thief)

    answer = client.post("/taskadmin/logout")

    assert answer.location == "/taskadmin/login"
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert not is_signed_in(client)
    assert not is_signed_in(thief)
    assert is_signed_in(phone)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "user_id", ["", "1", "1.", ".", "abc.def", "9" * 40 + ".x", "1.nonsense", "-1.x", "٣.x"]
)
def test_an_invented_cookie_signs_nobody_in(client: FlaskClient, ana: User, user_id: str) -> None:
    """An id alone isn't enough, and no text causes a server error."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user_id

    assert client.get("/taskadmin/profile").status_code == 302


@pytest.mark.databases("sqlite")
def test_a_tampered_cookie_signs_nobody_in(client: FlaskClient, ana: User, password: str) -> None:
    """Its signature is invalid."""
    log_in(client, "Ana", password)
    value = client.get_cookie("session")
    assert value is not None
    client.set_cookie("session", value.value[:-4] + "AAAA")

    assert client.get("/taskadmin/profile").status_code == 302


def test_a_cookie_from_before_a_deactivation_stays_dead(
    session: Session, app: Flask, client: FlaskClient, ana: User, make_user: MakeUser
) -> None:
    """Even after the user is reactivated."""
    sign_in(client, ana)
    by_chief = app.test_client()
    sign_in(by_chief, make_user("chief", is_superuser=True))

    for data in ({}, {"is_active": "y"}):
        by_chief.post(f"/taskadmin/users/edit/?id={ana.id}", data={"x": "", **data})

    session.expire_all()
    assert ana.is_active
    assert client.get("/taskadmin/profile").status_code == 302


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_a_token_of_another_session_is_refused(
    session: Session,
    app: Flask,
    client: FlaskClient,
    ana: User,
    password: str,
    make_user: MakeUser,
) -> None:
    """It is valid in its own session only."""
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
    """So that a planted session's token can't be used after log in."""
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


@pytest.mark.skipif(version("flask") < "3.1", reason="Flask 3.1 brought SECRET_KEY_FALLBACKS")
@pytest.mark.parametrize(("fallbacks", "status"), [(["the old key"], 200), ([], 302)])
def test_the_secret_key_is_exchanged_without_logging_people_out(
    make_app: MakeApp, ana: User, fallbacks: list[str], status: int
) -> None:
    """As long as the old one is a fallback."""
    before = make_app(SECRET_KEY="the old key").test_client()
    sign_in(before, ana)
    cookie = before.get_cookie("session")
    assert cookie is not None
    after = make_app(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=fallbacks).test_client()

    after.set_cookie("session", cookie.value)

    assert after.get("/taskadmin/profile").status_code == status


@pytest.mark.settings(WTF_CSRF_ENABLED=True, WTF_CSRF_FIELD_NAME="sent_back")
def test_a_planted_token_is_refused_under_the_hosts_field_name_too(
    client: FlaskClient, ana: User, password: str
) -> None:
    """The session stores the token under the field's name."""
    planted = hidden_fields(client.get("/taskadmin/login").text)["sent_back"]
    client.post(
        "/taskadmin/login",
        data={"username": "Ana", "password": password, "sent_back": planted},
    )

    assert client.post("/taskadmin/logout", data={"sent_back": planted}).status_code == 400
    assert "This form has expired" in client.post("/taskadmin/profile").text


@pytest.mark.parametrize(
    ("minutes", "columns", "status"),
    [
        (29, ["seen_at"], 200),
        (31, ["seen_at"], 302),
        (11 * 60, ["begun_at"], 200),
        (13 * 60, ["begun_at"], 302),
    ],
)
def test_a_session_has_limits(
    session: Session,
    client: FlaskClient,
    ana: User,
    minutes: float,
    columns: list[str],
    status: int,
) -> None:
    """Half an hour without a request, half a day in total; log in leads back to the page."""
    sign_in(client, ana)

    wait(session, minutes, *columns)

    answer = client.get("/taskadmin/profile")
    assert answer.status_code == status
    if status == 302:
        assert answer.location == "/taskadmin/login?next=/taskadmin/profile"


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_SESSION_IDLE_MINUTES=2, TASKADMIN_SESSION_HOURS=0.5)
@pytest.mark.parametrize(("minutes", "column"), [(3, "seen_at"), (31, "begun_at")])
def test_limits_are_settings(
    session: Session, client: FlaskClient, ana: User, minutes: float, column: str
) -> None:
    """In minutes and hours."""
    sign_in(client, ana)
    wait(session, minutes, column)
    assert client.get("/taskadmin/profile").status_code == 302


def test_only_requests_of_the_user_extend_a_session(
    session: Session, superuser: FlaskClient, database: str
) -> None:
    """Polls of an open page don't keep a user logged in."""
    wait(session, 20)
    before = seen_at(session)

    assert superuser.get("/taskadmin/dashboard/", headers=POLL).status_code == 200
    assert seen_at(session) == before
    assert superuser.get("/taskadmin/dashboard/").status_code == 200
    assert now(session) - seen_at(session) < timedelta(minutes=1)
    wait(session, 31)
    assert superuser.get("/taskadmin/dashboard/", headers=POLL).status_code == 401


def test_requests_within_a_minute_write_nothing(
    session: Session, superuser: FlaskClient, count_queries: Any
) -> None:
    """The current user takes one query."""
    with count_queries() as statements:
        superuser.get("/taskadmin/profile")

    assert not [one for one in statements if one.startswith("UPDATE")]
    assert len([one for one in statements if "taskadmin_user" in one]) == 1


def test_pages_are_shown_by_a_database_that_takes_no_changes(
    session: Session, superuser: FlaskClient, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The use of the session isn't recorded then, which is logged."""
    wait(session, 20)
    before = seen_at(session)
    session.execute(
        text(
            "CREATE TRIGGER full BEFORE UPDATE ON taskadmin_session"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
            if database == "sqlite"
            else "ALTER TABLE taskadmin_session ADD CONSTRAINT full_ CHECK"
            " (seen_at < now() - interval '9 min')"
        )
    )
    session.commit()

    assert superuser.get("/taskadmin/profile").status_code == 200
    assert seen_at(session) == before
    assert "Can't record the use of a session" in caplog.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("pending", "noted"), [(False, True), (True, False)])
def test_a_hosts_pending_changes_are_its_own(
    session: Session, app: Flask, sign_in: SignIn, chief: User, pending: bool, noted: bool
) -> None:
    """Its pages count as requests, too, but its changes aren't committed early."""

    @app.get("/orders")
    def orders() -> str:
        if pending:
            get_state().session.execute(text("UPDATE taskadmin_user SET zone = 'UTC'"))
        return str(current_user.username)

    client = sign_in(chief)
    wait(session, 20)
    before = seen_at(session)

    assert client.get("/orders").text == "chief"
    assert (seen_at(session) > before) == noted
    assert session.scalars(select(User.zone)).one() is None
