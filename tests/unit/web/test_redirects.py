"""Allowed targets of redirects."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFProtect

from services.addresses import EVIL
from taskadmin.web.redirects import is_own_path, page_of_form


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("target", EVIL)
def test_paths_that_may_lead_away_are_not_own(app: Flask, target: str) -> None:
    """In any browser or proxy."""
    with app.test_request_context("/taskadmin/"):
        assert is_own_path(target) is False


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "target",
    [
        *("/", "/taskadmin/tasks/?search=a%20b&page=2", "/a/b", "/taskadmin/runs/?task=1"),
        *("/taskadmin/tasks/?search=/../a", "/taskadmin/tasks/?search=%2e%2e", "/a..b/.c/..."),
        *("/taskadmin/tasks/?search=a%5Cb", "/taskadmin/runs/?search=%0A", "/?next=//b"),
    ],
)
def test_paths_of_the_site_are_own(app: Flask, target: str) -> None:
    """With their query."""
    with app.test_request_context("/taskadmin/"):
        assert is_own_path(target) is True


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("referrer", "target"),
    [
        ("http://localhost/taskadmin/tasks/new/?job=a%20b", "/taskadmin/tasks/new/?job=a%20b"),
        # It can't be opened again, or is no page of this site.
        ("http://localhost/taskadmin/tasks/action/", None),
        ("http://localhost/nowhere", None),
        ("http://localhost.evil.example/taskadmin/tasks/", None),
        ("https://evil.example/taskadmin/tasks/", None),
        ("http://localhost//evil.example/taskadmin/tasks/", None),
        ("/taskadmin/tasks/", None),
        ("", None),
    ],
)
def test_a_form_is_returned_to_if_it_is_a_page(
    app: Flask, client: FlaskClient, referrer: str, target: str | None
) -> None:
    """The browser says from which page it was sent."""
    asked = client.post("/taskadmin/tasks/action/", headers={"Referer": referrer})

    with app.test_request_context("/taskadmin/tasks/action/", headers={"Referer": referrer}):
        assert page_of_form() == target
    next_page = parse_qs(urlsplit(asked.location).query)["next"]
    assert next_page == [target or "/taskadmin/"]


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_an_expired_form_is_shown_again(app: Flask, superuser: FlaskClient) -> None:
    """Under the host's CSRFProtect, too; the host's own pages are refused as before."""
    CSRFProtect(app)
    app.add_url_rule("/own", "own", lambda: "own", methods=["GET", "POST"])
    form = "http://localhost/taskadmin/preferences"

    answer = superuser.post("/taskadmin/preferences", headers={"Referer": form})
    shown = superuser.get("/taskadmin/preferences")

    assert (answer.status_code, answer.location) == (302, "/taskadmin/preferences")
    assert "data-unsent>You were logged out, or this page had expired" in shown.text
    assert superuser.post("/taskadmin/preferences").status_code == 400
    assert superuser.post("/own", headers={"Referer": "http://localhost/own"}).status_code == 400
