"""Hosts that sign people in themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from services.databases import dispose_engines
from taskadmin import Identity, RegistrationError, TaskAdmin
from taskadmin.models import User


def nobody(_: str) -> None:
    """The host's own way to find a user."""


class Host:
    """An application with people of its own, one of whom is signed in."""

    def __init__(self, url: URL) -> None:
        self.person: Identity | None = None
        self.app = Flask("host")
        self.app.config.update(TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=url)
        self.manager = LoginManager(self.app)
        self.manager.user_loader(nobody)
        TaskAdmin().init_app(self.app, db=SQLAlchemy(self.app), identity=lambda: self.person)
        self.client = self.app.test_client()


@pytest.fixture
def host(database_url: URL) -> Iterator[Host]:
    """A host on the test's database."""
    made = Host(database_url)
    yield made
    dispose_engines(made.app)


def test_a_persons_row_is_made_on_first_sight(host: Host, session: Session) -> None:
    """Without a password, with the host's roles, once."""
    host.person = Identity("Ana", is_superuser=True)

    for _ in range(2):
        assert host.client.get("/taskadmin/tasks/").status_code == 200

    user = session.scalars(select(User)).one()
    assert (user.username, user.password_hash, user.is_superuser) == ("Ana", None, True)


def test_roles_follow_the_host(host: Host, session: Session) -> None:
    """A role that the host takes away is gone at the next request."""
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/")

    host.person = Identity("ana", can_review_tasks=True)

    assert host.client.get("/taskadmin/tasks/").status_code == 403
    assert host.client.get("/taskadmin/review/").status_code == 200
    user = session.scalars(select(User)).one()
    assert (user.is_superuser, user.can_review_tasks) == (False, True)


def test_nobody_is_refused_without_a_log_in_page(host: Host) -> None:
    """Deny by default; the host's way to log in isn't ours to know."""
    for path in ("", "tasks/", "runs/", "review/", "users/"):
        assert host.client.get(f"/taskadmin/{path}").status_code == 403
    for path in ("login", "register", "profile"):
        assert host.client.get(f"/taskadmin/{path}").status_code == 404


def test_who_is_deactivated_here_is_nobody(host: Host, session: Session) -> None:
    """Whatever the host says."""
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/")
    session.scalars(select(User)).one().is_active = False
    session.commit()

    assert host.client.get("/taskadmin/tasks/").status_code == 403


@pytest.mark.parametrize("name", ["two words", r"CORP\ana", "o'hara", "<ana>", "ana@example.org"])
def test_the_hosts_names_are_the_hosts_business(host: Host, session: Session, name: str) -> None:
    """What can't be registered here may well be somebody's name there."""
    host.person = Identity(name, is_superuser=True)

    for _ in range(2):
        assert host.client.get("/taskadmin/tasks/").status_code == 200

    assert session.scalars(select(User.username)).all() == [name]


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "a\u202eb"])
def test_a_name_that_can_not_be_stored_is_nobodys(
    host: Host, session: Session, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The page answers 403, and the log has the name for the host's developer."""
    host.person = Identity(name, is_superuser=True)

    assert host.client.get("/taskadmin/tasks/").status_code == 403

    assert f"identity() returned the username {name!r}, which can't be used" in caplog.text
    assert session.scalars(select(User.username)).all() == []


def test_people_of_the_host_have_preferences_and_no_profile(host: Host, session: Session) -> None:
    """The menu leads there; logging out is the host's business."""
    host.person = Identity("Ana")
    host.app.config["WTF_CSRF_ENABLED"] = False

    page = host.client.get("/taskadmin/preferences").text

    assert 'href="/taskadmin/preferences">Preferences</a>' in page
    assert "/taskadmin/profile" not in page
    assert "Log out" not in page
    answer = host.client.post("/taskadmin/preferences", data={"language": "de", "zone": ""})
    assert answer.status_code == 302
    assert session.scalars(select(User.language)).one() == "de"
    assert '<html lang="de"' in host.client.get("/taskadmin/preferences").text
    host.person = None
    assert host.client.get("/taskadmin/preferences").status_code == 403


def test_roles_and_passwords_of_the_hosts_people_are_the_hosts(
    host: Host, session: Session
) -> None:
    """Only the switch that is taskadmin's own can be moved here."""
    host.app.config["WTF_CSRF_ENABLED"] = False
    for name in ("bea", "Ana"):
        host.person = Identity(name, is_superuser=True)
        host.client.get("/taskadmin/users/")
    bea = session.scalars(select(User).where(User.username == "bea")).one()

    page = host.client.get(f"/taskadmin/users/edit/?id={bea.id}").text
    reset = host.client.post(f"/taskadmin/users/password/?id={bea.id}", data={"password": ""})
    saved = host.client.post(f"/taskadmin/users/edit/?id={bea.id}", data={"is_active": "y"})

    assert "The site that signs people in says who is a superuser or a reviewer." in page
    for name in ("is_superuser", "can_review_tasks", "password"):
        assert f'name="{name}"' not in page
    assert reset.status_code == 404
    assert saved.status_code == 302
    session.expire_all()
    assert (bea.is_active, bea.is_superuser, bea.password_hash) == (True, True, None)


def test_the_last_superuser_of_the_host_stays_active(host: Host, session: Session) -> None:
    """The message is at the switch."""
    host.app.config["WTF_CSRF_ENABLED"] = False
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/users/")

    answer = host.client.post("/taskadmin/users/edit/?id=1", data={"x": ""})

    assert answer.status_code == 422
    assert "Ana is the last active superuser: make another one first." in answer.text
    assert session.scalars(select(User)).one().may_manage


def test_the_hosts_login_manager_stays(host: Host) -> None:
    """taskadmin neither replaces nor configures it."""
    assert host.app.extensions["taskadmin"].login_url is None
    assert getattr(host.app, "login_manager") is host.manager  # noqa: B009 - Flask doesn't know it
    assert host.manager._user_callback is nobody


def test_a_host_with_a_login_manager_must_say_who_is_signed_in() -> None:
    """Without identity, two login managers would fight over one session."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
    LoginManager(app)

    with pytest.raises(RegistrationError) as refused:
        TaskAdmin().init_app(app, db=SQLAlchemy(app))

    assert str(refused.value) == (
        "'host' has a LoginManager of its own: pass identity=, a function that returns"
        " who is signed in, to TaskAdmin().init_app or Accounts().init_app."
    )
