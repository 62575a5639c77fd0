"""Log in with an optional or required second factor."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.accounts import (
    CODE,
    LOGIN,
    SETUP,
    WRONG_CODE,
    code_of,
    is_signed_in,
    log_in,
    shown_secret,
)
from services.browser import hidden_fields
from services.pages import field_errors
from taskadmin.models import AuditEntry, User, UserSession
from taskadmin.store.people import second_factors
from taskadmin.store.people.audit import Actor
from taskadmin.web.page_requests import LIVE_HEADER

pytestmark = pytest.mark.databases("sqlite")


def trail(session: Session) -> list[tuple[str, str, object]]:
    """Return actors and actions, oldest first."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.actor, entry.action, entry.after) for entry in entries]


def test_the_code_comes_after_the_password(
    client: FlaskClient, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """The user is logged in after it, and sees the requested page."""
    answer = log_in(client, "Ana", password, "?next=/taskadmin/preferences")

    assert answer.location == f"{CODE}?next=/taskadmin/preferences"
    assert not is_signed_in(client)
    assert client.get(answer.location).status_code == 200
    refused = client.post(answer.location, data={"code": "000000"})
    assert (refused.status_code, field_errors(refused.text)) == (422, [("code", WRONG_CODE)])
    assert not is_signed_in(client)

    done = client.post(answer.location, data={"code": code_of()})

    assert done.location == "/taskadmin/preferences"
    assert is_signed_in(client)
    assert client.get(CODE).location == "/taskadmin/"


def test_a_recovery_code_replaces_the_app(
    session: Session, app: Flask, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """Once; the page says how many are left."""
    statuses = []
    for _ in range(2):
        client = app.test_client()
        log_in(client, "Ana", password)
        statuses.append(client.post(CODE, data={"code": recovery_codes[0]}).status_code)
        if statuses == [302]:
            said = client.get("/taskadmin/profile").text
            assert "You used a recovery code: 9 codes are left." in said
            assert "9 recovery codes left." in said

    assert statuses == [302, 422]
    assert ("Ana", "changed", {"recovery_codes": 9}) in trail(session)


def test_a_code_opens_one_browser(
    app: Flask, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """An observed code is already used."""
    first, second = app.test_client(), app.test_client()
    code = code_of()
    for client in (first, second):
        log_in(client, "Ana", password)
        client.post(CODE, data={"code": code})

    assert [is_signed_in(first), is_signed_in(second)] == [True, False]


@pytest.mark.parametrize(
    "change",
    ["nobody", "later", "another password", "deactivated"],
)
def test_the_code_alone_logs_nobody_in(
    session: Session,
    client: FlaskClient,
    ana: User,
    password: str,
    recovery_codes: list[str],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The password must be right, unchanged, and entered in the last five minutes."""
    if change != "nobody":
        log_in(client, "Ana", password)
    if change == "later":
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 5 * 60 + 1)
    elif change == "another password":
        ana.session_nonce = "another"
    elif change == "deactivated":
        ana.is_active = False
    session.commit()

    answer = client.post(f"{CODE}?next=/taskadmin/preferences", data={"code": code_of()})

    assert answer.location == f"{LOGIN}?next=/taskadmin/preferences"
    assert "Log in again: this took too long." in client.get(answer.location).text
    assert not is_signed_in(client)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_the_code_needs_its_token(
    client: FlaskClient, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """Like other account forms."""
    token = hidden_fields(client.get(LOGIN).text)["csrf_token"]
    data = {"username": "Ana", "password": password, "csrf_token": token}
    assert client.post(LOGIN, data=data).location == CODE

    refused = client.post(CODE, data={"code": code_of()})
    assert refused.status_code == 422
    assert "This form has expired" in refused.text
    token = hidden_fields(refused.text)["csrf_token"]
    assert client.post(CODE, data={"code": code_of(), "csrf_token": token}).status_code == 302


def test_the_password_alone_is_no_log_in(
    session: Session, client: FlaskClient, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """The audit trail has wrong codes, and a log in only after the right one."""
    log_in(client, "Ana", password)
    assert trail(session)[1:] == []

    client.post(CODE, data={"code": "000000"})
    client.post(CODE, data={"code": code_of()})

    assert trail(session)[1:] == [
        ("Ana", "failed_log_in", {"attempts": 1, "second_factor": False}),
        ("Ana", "logged_in", {"second_factor": True}),
    ]


@pytest.mark.parametrize("is_known", [False, True], ids=["elsewhere", "where she was before"])
def test_whoever_guesses_codes_waits(
    session: Session,
    app: Flask,
    ana: User,
    password: str,
    recovery_codes: list[str],
    is_known: bool,
) -> None:
    """Even with the right code, except in a known browser."""
    owner, other = app.test_client(), app.test_client()
    if is_known:
        log_in(owner, "Ana", password)
        owner.post(CODE, data={"code": recovery_codes[0]})
        owner.post("/taskadmin/logout")
    log_in(owner, "Ana", password)
    log_in(other, "Ana", password)

    answers = [other.post(CODE, data={"code": "000000"}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert answers[-1].headers["Retry-After"]
    assert other.post(CODE, data={"code": code_of()}).status_code == 429
    assert owner.post(CODE, data={"code": code_of()}).status_code == (302 if is_known else 429)


@pytest.mark.settings(TASKADMIN_SECOND_FACTOR="superusers")
def test_superusers_set_one_up_before_anything_else(
    session: Session, superuser: FlaskClient, reviewer: FlaskClient, chief: User
) -> None:
    """All pages except preferences and log out redirect there; other users need none."""
    for path in ("", "dashboard/", "users/", "profile", "audit/export/csv/"):
        assert superuser.get(f"/taskadmin/{path}").location == SETUP, path
    assert superuser.post("/taskadmin/tasks/action/", data={"action": "pause"}).location == SETUP
    assert superuser.get("/taskadmin/dashboard/", headers={LIVE_HEADER: "1"}).status_code == 403
    assert superuser.get("/taskadmin/preferences").status_code == 200
    assert reviewer.get("/taskadmin/profile").status_code == 200
    page = superuser.get(SETUP).text
    assert "Your account needs a second factor" in page

    code = code_of(shown_secret(page))
    superuser.post(SETUP, data={**hidden_fields(page), "code": code})

    assert superuser.get("/taskadmin/dashboard/").status_code == 200
    assert superuser.post(f"{SETUP}/remove").status_code == 404
    assert (
        'action="/taskadmin/second-factor/remove"' not in superuser.get("/taskadmin/profile").text
    )


@pytest.mark.settings(TASKADMIN_SECOND_FACTOR="everyone")
def test_everyone_sets_one_up_where_that_is_the_setting(
    client: FlaskClient, plain: FlaskClient
) -> None:
    """Including logged-in users."""
    assert plain.get("/taskadmin/profile").location == SETUP
    assert client.get(LOGIN).status_code == 200


def test_a_second_factor_costs_no_query_of_pages(
    session: Session, superuser: FlaskClient, chief: User, count_queries: CountQueries
) -> None:
    """It is read with the session."""
    with count_queries() as without:
        superuser.get("/taskadmin/users/")
    second_factors.set_second_factor(
        session, chief, secret="s", step=0, code_hashes=["h"], actor=Actor(None, "x", "y")
    )
    session.execute(update(UserSession).values(nonce=chief.session_nonce))
    session.commit()
    with count_queries() as with_one:
        assert superuser.get("/taskadmin/users/").status_code == 200

    assert len(with_one) == len(without)


@pytest.mark.settings(TASKADMIN_SECOND_FACTOR="superusers")
def test_a_password_set_by_another_user_is_replaced_first(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Then the second factor is set up, without a loop of redirects."""
    chief.must_change_password = True
    session.commit()
    choose = "/taskadmin/password"

    assert superuser.get("/taskadmin/profile").location.startswith(f"{choose}?next=")
    assert superuser.get(choose).status_code == 200
    own = "four words of chief's own"
    superuser.post(choose, data={"password": own, "confirm": own})
    assert superuser.get("/taskadmin/profile").location == SETUP
