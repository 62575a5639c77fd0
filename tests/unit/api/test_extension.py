"""``Api().init_app``."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_wtf.csrf import CSRFProtect

from fixture_types import MakeApp, MakeHost
from services.api.caller import PREFIX, Caller, problem_of
from taskadmin import TaskAdmin
from taskadmin.api import Api, extension
from taskadmin.errors import RegistrationError

pytestmark = pytest.mark.databases("sqlite")


def test_without_its_packages_the_error_has_the_line_to_install_them(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is registered."""
    monkeypatch.setattr(extension, "_EXTRA", ("nothing_of_this_name",))
    with pytest.raises(RegistrationError, match=r"pip install 'taskadmin\[api\]'"):
        Api().init_app(make_app())


def test_it_needs_accounts_and_is_registered_once(make_host: MakeHost, app: Flask) -> None:
    """As all parts."""
    with pytest.raises(RegistrationError, match="needs Models"):
        Api().init_app(make_host()[0])
    with pytest.raises(RegistrationError, match="already initialized"):
        Api().init_app(app)


def test_two_applications_have_their_own_prefixes(make_host: MakeHost, app: Flask) -> None:
    """With the same document, but for the server."""
    other, db = make_host()
    TaskAdmin().init_app(other, db=db, url_prefix="/jobs")
    Api().init_app(other, url_prefix="/jobs")

    one = app.test_client().get(f"{PREFIX}/openapi.json").json
    two = other.test_client().get("/jobs/api/v1/openapi.json").json

    assert one and two and one["paths"] == two["paths"]
    assert (one["servers"], two["servers"]) == ([{"url": PREFIX}], [{"url": "/jobs/api/v1"}])


def test_the_hosts_csrf_protection_lets_programs_pass(app: Flask, boss: Caller) -> None:
    """Also if it was made later; other pages stay protected."""
    app.config["WTF_CSRF_ENABLED"] = True
    CSRFProtect(app)
    assert problem_of(boss("POST", "/tasks", {}))[0] == 422
    assert app.test_client().post("/taskadmin/login").status_code == 400


@pytest.mark.settings(SECRET_KEY=None)
def test_it_needs_no_secret_key(boss: Caller) -> None:
    """It has no sessions."""
    assert boss("GET", "/me").status_code == 200


def test_answers_arent_cached_and_set_no_cookie(boss: Caller) -> None:
    """And browsers don't guess their type."""
    headers = boss("GET", "/me").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(headers.keys())
