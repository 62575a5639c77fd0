"""The signed cookie of a browser in which a user has logged in before."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fixture_types import MakeUser
from services.accounts import guess, log_in
from taskadmin.models import User


def test_the_owner_gets_in_where_the_owner_was_before(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """Despite others' guesses; sessions continue, and the browser's own guesses count."""
    log_in(client, "Ana", password)
    other = app.test_client()
    log_in(other, "Ana", password)
    client.post("/taskadmin/logout")
    log_in(other, "Ana", password)

    assert guess(app, times=7) == [422] * 5 + [429] * 2

    assert other.get("/taskadmin/profile").status_code == 200
    assert [log_in(client, "Ana", "forgot it").status_code for _ in range(4)] == [422] * 4
    assert log_in(client, "Ana", password).status_code == 302
    client.post("/taskadmin/logout")
    assert [log_in(client, "Ana", "x").status_code for _ in range(6)] == [422] * 5 + [429]


@pytest.mark.databases("sqlite")
def test_a_neighbour_does_not_keep_the_owner_out(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """Guesses from the owner's address, such as that of an office or of an unknown proxy."""
    log_in(client, "Ana", password)
    client.post("/taskadmin/logout")
    for n in range(11):
        log_in(app.test_client(), f"name{n}", "a guess")
    assert log_in(app.test_client(), "Ana", password).status_code == 429

    assert log_in(client, "Ana", password).status_code == 302


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("cookie", ["", "x", "ImEi.aaaa.bbbb", "another user's"])
def test_cookies_of_other_browsers_have_no_effect(
    app: Flask, client: FlaskClient, ana: User, make_user: MakeUser, cookie: str
) -> None:
    """Neither a forged one, nor an attacker's own."""
    make_user("mallory", "mallory's password")
    log_in(client, "mallory", "mallory's password")
    client.post("/taskadmin/logout")
    if cookie != "another user's":
        client.set_cookie("taskadmin_browser", cookie)
    guess(app)

    assert log_in(client, "Ana", "a guess").status_code == 429


@pytest.mark.databases("sqlite")
@pytest.mark.settings(SESSION_COOKIE_SECURE=True, SECRET_KEY_FALLBACKS=["an older key"])
def test_the_cookie_is_like_the_sessions(client: FlaskClient, ana: User, password: str) -> None:
    """Hidden from scripts, plain HTTP and other sites."""
    answer = log_in(client, "Ana", password)

    [cookie] = [one for one in answer.headers.getlist("Set-Cookie") if "taskadmin_browser" in one]
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Ana" not in cookie
    assert cookie.startswith("__Host-taskadmin_browser=")


@pytest.mark.databases("sqlite")
@pytest.mark.settings(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_PATH="/taskadmin")
def test_a_secure_cookie_of_a_path_is_recognized(
    app: Flask, client: FlaskClient, ana: User, password: str
) -> None:
    """Its name has the prefix that browsers accept with this path."""
    answer = log_in(client, "Ana", password)
    assert "__Secure-taskadmin_browser=" in str(answer.headers)
    client.post("/taskadmin/logout")
    guess(app)
    assert log_in(client, "Ana", "a guess").status_code == 422
