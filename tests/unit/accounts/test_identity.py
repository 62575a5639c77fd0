"""Hosts that log users in themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from fixture_types import MakeHost
from services.servers.databases import dispose_engines
from taskadmin import Identity, TaskAdmin
from taskadmin.errors import ConfigurationError
from taskadmin.models import User, UserSession


def nobody(_: str) -> None:
    """An identity function without a user."""


class Host:
    """An application with its own users, one of them logged in."""

    def __init__(self, url: URL) -> None:
        self.person: Identity | None = None
        self.app = Flask("host")
        self.app.config.update(TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=url)
        self.app.config.update(TASKADMIN_SECOND_FACTOR="everyone", WTF_CSRF_ENABLED=False)
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
    """Once, with the host's roles and without a password."""
    host.person = Identity("Ana", is_superuser=True)

    for _ in range(2):
        assert host.client.get("/taskadmin/tasks/").status_code == 200

    user = session.scalars(select(User)).one()
    assert (user.username, user.password_hash, user.is_superuser) == ("Ana", None, True)


def test_roles_follow_the_host(host: Host, session: Session) -> None:
    """A withdrawn role ends with the next request."""
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/")

    host.person = Identity("ana", can_review_tasks=True)

    assert host.client.get("/taskadmin/tasks/").status_code == 403
    assert host.client.get("/taskadmin/review/").status_code == 200
    user = session.scalars(select(User)).one()
    assert (user.is_superuser, user.can_review_tasks) == (False, True)


def test_anonymous_visitors_get_403_without_a_log_in_page(host: Host) -> None:
    """With 403, since the host's log in page is unknown."""
    for path in ("", "tasks/", "runs/", "review/", "users/"):
        assert host.client.get(f"/taskadmin/{path}").status_code == 403
    for path in ("login", "register", "profile"):
        assert host.client.get(f"/taskadmin/{path}").status_code == 404


def test_a_user_deactivated_here_counts_as_anonymous(host: Host, session: Session) -> None:
    """Even if the host returns the user."""
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/")
    session.scalars(select(User)).one().is_active = False
    session.commit()

    assert host.client.get("/taskadmin/tasks/").status_code == 403


@pytest.mark.parametrize("name", ["two words", r"CORP\ana", "o'hara", "<ana>", "ana@example.org"])
def test_the_hosts_names_are_the_hosts_business(host: Host, session: Session, name: str) -> None:
    """Names that can't be registered here are valid there."""
    host.person = Identity(name, is_superuser=True)

    for _ in range(2):
        assert host.client.get("/taskadmin/tasks/").status_code == 200

    assert session.scalars(select(User.username)).all() == [name]


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "a\u202eb"])
def test_a_name_that_cannot_be_stored_counts_as_anonymous(
    host: Host, session: Session, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The page responds with 403, and the log has the name."""
    host.person = Identity(name, is_superuser=True)

    assert host.client.get("/taskadmin/tasks/").status_code == 403

    assert f"identity() returned an invalid username, {name!r}" in caplog.text
    assert session.scalars(select(User.username)).all() == []


def test_people_of_the_host_have_preferences_and_no_profile(host: Host, session: Session) -> None:
    """The menu has no log out, which belongs to the host."""
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
    """Only the active switch can be changed here."""
    host.app.config["WTF_CSRF_ENABLED"] = False
    for name in ("bea", "Ana"):
        host.person = Identity(name, is_superuser=True)
        host.client.get("/taskadmin/users/")
    bea = session.scalars(select(User).where(User.username == "bea")).one()

    page = host.client.get(f"/taskadmin/users/edit/?id={bea.id}").text
    reset = host.client.post(f"/taskadmin/users/password/?id={bea.id}", data={"password": ""})
    saved = host.client.post(f"/taskadmin/users/edit/?id={bea.id}", data={"is_active": "y"})

    assert "The host application decides who is a superuser or a reviewer." in page
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
    assert "Ana is the last active superuser. Make another user a superuser first." in answer.text
    assert session.scalars(select(User)).one().may_manage


def test_the_hosts_login_manager_stays(host: Host) -> None:
    """taskadmin neither replaces nor configures it."""
    assert host.app.extensions["taskadmin"].login_url is None
    assert getattr(host.app, "login_manager") is host.manager  # noqa: B009 - Flask doesn't know it
    assert host.manager._user_callback is nobody


def test_a_hosts_sessions_are_its_own(host: Host, session: Session) -> None:
    """No second factor or password is required, with any settings; pages are still not cached."""
    host.person = Identity("Ana", is_superuser=True)
    host.client.get("/taskadmin/tasks/")
    ana = session.scalars(select(User)).one()
    path = f"/taskadmin/users/edit/?id={ana.id}"

    answer = host.client.post(path, data={"is_active": "y"})

    assert answer.location == "/taskadmin/users/"
    assert host.client.get(path).headers["Cache-Control"] == "no-store"
    assert "Second factor" not in host.client.get(path).text
    assert session.scalars(select(UserSession)).all() == []
    assert not [one for one in host.app.url_map.iter_rules() if "second-factor" in one.rule]
    assert not [one for one in host.app.url_map.iter_rules() if one.rule.endswith("/login")]


@pytest.mark.parametrize("person", ["ana", True, object(), Identity(7), Identity(None)])  # type: ignore[arg-type]
def test_what_is_no_identity_is_named_in_the_log(
    make_host: MakeHost, caplog: pytest.LogCaptureFixture, person: Any
) -> None:
    """Such as the host's own user object; every page says so."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, identity=lambda: person)
    client = app.test_client()

    for page in ("", "dashboard/", "tasks/new/", "preferences"):
        answer = client.get(f"/taskadmin/{page}")
        assert answer.status_code == 503, page
        assert "<h1>identity can&#39;t be used</h1>" in answer.text
    assert f"identity returned {type(person).__name__} " in caplog.text
    assert "Return taskadmin.Identity(name, is_superuser=…)" in caplog.text


def test_an_identity_that_is_no_function_is_refused(make_host: MakeHost) -> None:
    """At init_app, since no request is needed to know it."""
    app, db = make_host()
    with pytest.raises(ConfigurationError, match="identity is 'ana'; expected a function"):
        TaskAdmin().init_app(app, db=db, identity="ana")  # type: ignore[arg-type]
