"""Hosts without a SECRET_KEY."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSession, SessionInterface

from fixture_types import MakeHost
from taskadmin import Identity, TaskAdmin

pytestmark = pytest.mark.databases("sqlite")
PAGES = ("", "login", "dashboard/", "tasks/new/", "preferences", "runs/export/csv/")
MISSING = "<h1>SECRET_KEY isn&#39;t set</h1>"


def superuser() -> Identity:
    """Return the host's current user."""
    return Identity("ana", is_superuser=True)


@pytest.mark.parametrize("key", [None, "", b""])
@pytest.mark.parametrize("options", [{}, {"identity": superuser}])
def test_each_page_says_how_to_set_it(
    make_host: MakeHost, caplog: pytest.LogCaptureFixture, key: Any, options: dict[str, Any]
) -> None:
    """The log, too; health checks and static files need none."""
    app, db = make_host()
    app.config["SECRET_KEY"] = key
    TaskAdmin().init_app(app, db=db, **options)
    client = app.test_client()

    for page in PAGES:
        answer = client.get(f"/taskadmin/{page}")
        if answer.status_code == 404 and options:  # such as the log in page
            continue
        assert answer.status_code == 503, page
        assert MISSING in answer.text, page
        assert "secrets.token_hex()" in answer.text, page
    assert caplog.records[0].levelno == logging.ERROR
    assert "app.config['SECRET_KEY']" in caplog.text
    assert client.get("/taskadmin/healthz").status_code == 200
    assert client.get("/taskadmin/static/taskadmin.css", buffered=True).status_code == 200


def test_it_may_be_set_after_init_app(make_host: MakeHost) -> None:
    """Flask reads it for each request."""
    app, db = make_host()
    app.config["SECRET_KEY"] = None
    TaskAdmin().init_app(app, db=db)
    app.config["SECRET_KEY"] = "late"

    assert app.test_client().get("/taskadmin/login").status_code == 200


class ServerSide(SessionInterface):
    """Sessions that need no key."""

    def open_session(self, _app: Flask, _request: object) -> SecureCookieSession:
        """Return an empty session."""
        return SecureCookieSession()

    def save_session(self, *_: object) -> None:
        """Forget it."""


@pytest.mark.parametrize(("key", "status"), [(None, 503), ("of its forms", 200)])
def test_a_host_with_its_own_sessions_needs_a_key_for_forms_only(
    make_host: MakeHost, key: str | None, status: int
) -> None:
    """Flask-WTF signs its tokens with WTF_CSRF_SECRET_KEY if there is one."""
    app, db = make_host()
    app.config.update(SECRET_KEY=None, WTF_CSRF_ENABLED=True)
    if key is not None:
        app.config["WTF_CSRF_SECRET_KEY"] = key
    app.session_interface = ServerSide()
    TaskAdmin().init_app(app, db=db, identity=superuser)

    assert app.test_client().get("/taskadmin/tasks/new/").status_code == status
