"""The profile's list of sessions, and how to end them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from services.browser import begin_session
from services.pages import messages, next_messages
from taskadmin.accounts.sessions import browser_of
from taskadmin.models import User, UserSession


@pytest.fixture
def boss(make_user: MakeUser) -> User:
    """Another user."""
    return make_user("boss", is_superuser=True)


GECKO = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (GECKO, "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {KHTML} Chrome/140.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {KHTML} Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64) {KHTML} Chrome/140 Safari/537", "Chrome on ChromeOS"),
        (f"Mozilla/5.0 (Linux; Android 15) {KHTML} Chrome/140 Safari/537", "Chrome on Android"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {KHTML} Safari/6",
            "Safari on iOS",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {KHTML} Safari/605", "Safari on macOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 200, "x" * 40),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_named_shortly(user_agent: str, name: str) -> None:
    """With the system, if known."""
    assert browser_of(user_agent) == name


def test_the_profile_lists_ones_sessions(
    session: Session, sign_in: SignIn, ana: User, boss: User
) -> None:
    """With browser and address, and a mark for this one; without other users'."""
    begin_session(boss)
    client = sign_in(ana)
    sign_in(ana).get(
        "/taskadmin/profile",
        headers={"User-Agent": "a header of a later request changes nothing"},
    )

    page = client.get("/taskadmin/profile").text

    rows = re.findall(r"<tr>.*?</tr>", page[page.index("sessions-heading") :], re.DOTALL)[1:]
    assert len(rows) == 2
    assert [("this session" in row, ">Log out" in row) for row in rows] == [
        (False, True),
        (True, False),
    ]
    assert all("192.0.2.1" in row and '<span title="tests">tests</span>' in row for row in rows)


def test_one_session_is_ended_from_another(
    session: Session, sign_in: SignIn, ana: User, boss: User
) -> None:
    """Only by its owner."""
    here, there, bosses = sign_in(ana), sign_in(ana), sign_in(boss)
    first, second, third = session.scalars(select(UserSession.id).order_by(UserSession.id))

    assert here.post("/taskadmin/sessions/end", data={"id": second}).location.endswith("/profile")
    assert next_messages(here) == ["The session has been logged out."]
    for gone in (second, third, "x", "9" * 30, ""):
        here.post("/taskadmin/sessions/end", data={"id": gone})
        assert next_messages(here) == ["This session had already ended."]

    statuses = [one.get("/taskadmin/profile").status_code for one in (here, there, bosses)]
    assert statuses == [200, 302, 200]
    assert len(session.scalars(select(UserSession.id)).all()) == 2
    assert first is not None


def test_logging_out_says_where_one_stays_logged_in(sign_in: SignIn, ana: User, boss: User) -> None:
    """In how many other browsers, if in any."""
    here, there = sign_in(ana), sign_in(ana)
    sign_in(boss)
    done = here.post("/taskadmin/logout")
    assert messages(here.get(done.location).text) == [
        "You are logged out here, and still logged in on 1 other browser."
    ]
    assert there.get("/taskadmin/profile").status_code == 200
    done = there.post("/taskadmin/logout")
    assert messages(there.get(done.location).text) == ["You are logged out."]


def test_one_logs_out_everywhere(session: Session, sign_in: SignIn, ana: User, boss: User) -> None:
    """Including this browser, and no other user."""
    here, there, bosses = sign_in(ana), sign_in(ana), sign_in(boss)

    done = here.post("/taskadmin/sessions/end-all")

    assert done.location == "/taskadmin/login"
    assert done.headers["Clear-Site-Data"] == '"cache"'
    assert "You are logged out everywhere." in here.get(done.location).text
    statuses = [one.get("/taskadmin/profile").status_code for one in (here, there, bosses)]
    assert statuses == [302, 302, 200]


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.parametrize("path", ["end", "end-all"])
def test_sessions_are_ended_by_their_buttons_only(
    sign_in: SignIn, client: FlaskClient, ana: User, path: str
) -> None:
    """With a token and a logged-in user."""
    mine = sign_in(ana)

    assert mine.post(f"/taskadmin/sessions/{path}").status_code == 400
    assert mine.get(f"/taskadmin/sessions/{path}").status_code == 405
    assert mine.get("/taskadmin/profile").status_code == 200
    assert client.post(f"/taskadmin/sessions/{path}").location.startswith("/taskadmin/login")
