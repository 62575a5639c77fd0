"""A password set by another user must be replaced first."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import SignIn
from services.pages import field_errors
from taskadmin import service
from taskadmin.models import User
from taskadmin.service import Actor
from taskadmin.store.people.passwords import verify_password

GIVEN, OWN = "a password by the chief", "kite boat lamp"
PAGE = "/taskadmin/password"


@pytest.fixture
def given(session: Session, superuser: FlaskClient, ana: User, client: FlaskClient) -> FlaskClient:
    """Ana's browser, logged in with a password that a superuser has set."""
    superuser.post(f"/taskadmin/users/password/?id={ana.id}", data={"password": GIVEN})
    client.post("/taskadmin/login", data={"username": "Ana", "password": GIVEN})
    session.expire_all()
    assert ana.must_change_password
    return client


def choose(client: FlaskClient, password: str, query: str = "") -> str | None:
    """Submit the form, and return its redirect."""
    form = {"password": password, "confirm": password}
    return client.post(f"{PAGE}{query}", data=form).location


def test_every_page_leads_to_the_new_password(
    given: FlaskClient, session: Session, ana: User
) -> None:
    """Until it is set; then to the requested page."""
    ana.is_superuser = True
    session.commit()
    for path in ("tasks/?search=x", "users/", "profile", "preferences", "audit/export/csv/"):
        answer = given.get(f"/taskadmin/{path}")
        assert answer.location.startswith(f"{PAGE}?next=/taskadmin/{path.partition('?')[0]}"), path
    assert given.post("/taskadmin/tasks/action/", data={}).location == PAGE
    assert given.get("/taskadmin/tasks/", headers={"Taskadmin-Live": "1"}).status_code == 401
    with given.get("/taskadmin/static/taskadmin.css") as style:
        assert style.status_code == 200
    assert given.get("/taskadmin/healthz").status_code == 200

    assert choose(given, OWN, "?next=/taskadmin/runs/") == "/taskadmin/runs/"

    session.expire_all()
    assert verify_password(ana.password_hash, OWN)
    assert not ana.must_change_password
    assert given.get("/taskadmin/tasks/").status_code == 200
    assert given.get(f"{PAGE}?next=//evil.example").location == "/taskadmin/"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (GIVEN, "Choose another password than the one you were given."),
        ("short", "A password must have at least 10 characters."),
        ("1234567890", "This password is too easy to guess."),
    ],
)
def test_a_password_that_is_no_better_is_refused(
    given: FlaskClient, session: Session, ana: User, password: str, said: str
) -> None:
    """With a message at the field."""
    page = given.get(PAGE).text
    assert "Somebody else set your password." in page

    answer = given.post(PAGE, data={"password": password, "confirm": password})

    assert answer.status_code == 422
    [(field, text)] = field_errors(answer.text)
    assert field == "password" and text.startswith(said)
    session.expire_all()
    assert ana.must_change_password


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_SECOND_FACTOR="everyone")
def test_the_password_comes_before_the_second_factor(
    session: Session, sign_in: SignIn, ana: User
) -> None:
    """Without a loop of redirects."""
    ana.must_change_password = True
    session.commit()
    client = sign_in(ana)
    assert client.get("/taskadmin/profile").location == f"{PAGE}?next=/taskadmin/profile"
    assert client.get(PAGE).status_code == 200
    assert choose(client, OWN) is not None
    assert "second-factor" in (client.get("/taskadmin/profile").location or "")


def test_logging_out_is_possible_all_the_same(given: FlaskClient) -> None:
    """Anonymous users and others have no such page."""
    assert given.post("/taskadmin/logout").location == "/taskadmin/login"
    assert given.get(PAGE).location == f"/taskadmin/login?next={PAGE}"


@pytest.mark.databases("sqlite")
def test_only_passwords_set_by_another_user_must_be_replaced(
    app: Flask, session: Session, chief: User, ana: User
) -> None:
    """Another user does; oneself, the command line and the application don't."""
    chief_id, ana_id = chief.id, ana.id
    with app.app_context():
        for actor, must in (
            (Actor(chief_id, "chief", "x"), True),
            (Actor(None, "root", "command line"), False),
            (Actor(chief_id, "chief", "x"), True),
            (Actor(ana_id, "Ana", "x"), False),
            (None, False),
        ):
            user = service.set_password(ana_id, OWN, actor=actor)
            assert user.must_change_password is must
        theirs = service.create_user("bea", password=OWN, actor=Actor(chief_id, "chief", "x"))
        assert theirs.must_change_password
        without = service.create_user("cleo", actor=Actor(chief_id, "chief", "x"))
        assert not without.must_change_password
