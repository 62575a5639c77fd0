"""Security headers of the site's responses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_admin import BaseView, expose
from jinja2 import DictLoader
from werkzeug.test import TestResponse

from taskadmin import migrations
from taskadmin.state import get_state
from taskadmin_site import create_app

pytestmark = pytest.mark.usefixtures("_restored_logging")

ANSWERS = {
    "/": 302,
    "/taskadmin/login": 200,
    "/taskadmin/tasks/": 302,
    "/taskadmin/static/taskadmin.css": 200,
    "/taskadmin/api/v1/docs/swagger-ui.css": 200,
    "/taskadmin/nowhere": 404,
    "/nowhere": 404,
    "/healthz": 200,
}


def make_site(folder: Path, **config: Any) -> Flask:
    """Create the site with an SQLite database."""
    return create_app(
        {
            "SECRET_KEY": "KSlMzpmC3zWlf6P8sBSCmvNAVgqxcuhK",
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'site.sqlite'}",
            "CELERY": {"broker_url": "memory://"},
            **config,
        }
    )


@pytest.fixture
def site(tmp_path: Path) -> Flask:
    """The site with its tables."""
    site = make_site(tmp_path)
    migrations.upgrade(site)
    return site


def policy(answer: TestResponse) -> dict[str, str]:
    """Return a response's Content-Security-Policy by directive, with each nonce as N."""
    text = re.sub(r"'nonce-[\w-]{32}'", "N", answer.headers["Content-Security-Policy"])
    return {name: value for name, _, value in (part.partition(" ") for part in text.split("; "))}


@pytest.mark.parametrize("path", ANSWERS)
def test_every_response_has_a_content_security_policy(site: Flask, path: str) -> None:
    """No other hosts, nothing inline without the nonce, and no frames; files have no nonce."""
    nonce = "" if path.endswith(".css") else " N"
    answer = site.test_client().get(path, buffered=True)

    assert answer.status_code == ANSWERS[path]
    assert policy(answer) == {
        "default-src": "'self'",
        "script-src": f"'self'{nonce}",
        "style-src": f"'self'{nonce}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_refused_and_broken_requests_say_it_too(site: Flask) -> None:
    """Errors have the headers: a body that is too large, a missing CSRF token, a failing view."""
    site.config["PROPAGATE_EXCEPTIONS"] = False

    @site.get("/broken")
    def broken() -> str:
        raise RuntimeError

    client = site.test_client()
    answers = [
        client.post("/taskadmin/login", data={"username": "a" * 600_000}),
        client.post("/taskadmin/logout"),
        client.get("/broken"),
    ]

    assert [answer.status_code for answer in answers] == [413, 400, 500]
    for answer in answers:
        assert policy(answer)["default-src"] == "'self'"


def test_each_answer_has_a_nonce_of_its_own(site: Flask) -> None:
    """Each response has a new nonce."""
    client = site.test_client()

    policies = {client.get("/healthz").headers["Content-Security-Policy"] for _ in range(3)}

    assert len(policies) == 3


def test_views_of_flask_admin_get_the_nonce(site: Flask) -> None:
    """A Flask-Admin view that is added to the site can run its inline scripts."""

    class OwnView(BaseView):  # type: ignore[misc]
        @expose()  # type: ignore[untyped-decorator]
        def index(self) -> str:
            page: str = self.render("own.html")
            return page

    site.jinja_loader = DictLoader({"own.html": "<script {{ admin_csp_nonce_attribute }}>"})
    admin = get_state(site).admin
    assert admin is not None
    admin.add_view(OwnView(endpoint="own", url="/own"))

    answer = site.test_client().get("/own/")

    (nonce,) = re.findall('nonce="([^"]+)"', answer.text)
    assert f"script-src 'self' 'nonce-{nonce}'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("scheme", "header"), [("https", "max-age=31556926"), ("http", None)])
def test_tls_is_asked_for_where_cookies_need_it(
    tmp_path: Path, scheme: str, header: str | None
) -> None:
    """In production, responses over TLS have HSTS for this host only."""
    site = make_site(tmp_path, SESSION_COOKIE_SECURE=True)

    answer = site.test_client().get("/healthz", base_url=f"{scheme}://tasks.example")

    assert answer.headers.get("Strict-Transport-Security") == header
    assert answer.status_code == 200  # not sent elsewhere


def test_tls_is_not_asked_for_elsewhere(site: Flask) -> None:
    """In development, a browser would enforce HSTS for a year on every port of localhost."""
    answer = site.test_client().get("/healthz", base_url="https://localhost")

    assert "Strict-Transport-Security" not in answer.headers


def test_cookies_stay_as_the_configuration_has_them(tmp_path: Path) -> None:
    """Talisman doesn't change the session cookie's settings."""
    site = make_site(tmp_path, SESSION_COOKIE_SAMESITE="Strict")

    site.test_client().get("/healthz")

    assert site.config["SESSION_COOKIE_SAMESITE"] == "Strict"
    assert site.config["SESSION_COOKIE_HTTPONLY"] is True
    assert site.config["SESSION_COOKIE_SECURE"] is False
