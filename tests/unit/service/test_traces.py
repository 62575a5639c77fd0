"""Log ins, refusals, exports and changes in the audit trail and the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from taskadmin.models import AuditEntry, User
from taskadmin.store.people import throttle

AGENT = "Browser/1 (x)"
NEW = "another long passphrase"
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture(autouse=True)
def _all_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "taskadmin")


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser with its own address, for an application with request ids."""
    app.before_request(lambda: setattr(g, "request_id", "r-1"))
    client = app.test_client()
    client.environ_base |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": AGENT}
    return client


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged lines."""
    return [record.getMessage() for record in caplog.records if "taskadmin" in record.name]


def trail(session: Session) -> list[tuple[str, str, str, dict[str, Any] | None]]:
    """Return action, actor, subject and details of all entries."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert {(entry.source, entry.user_agent, entry.request_id) for entry in entries} == {
        ("192.0.2.7", AGENT, "r-1")
    }
    return [(entry.action, entry.actor, entry.subject, entry.after) for entry in entries]


def log_in(client: FlaskClient, username: str, password: str) -> None:
    client.post("/taskadmin/login", data={"username": username, "password": password})


def test_everything_about_an_account_is_traced(
    session: Session,
    browser: FlaskClient,
    ana: User,
    password: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With user, address, browser and request, but without passwords and hashes."""
    log_in(browser, "Ana", "a wrong guess")
    log_in(browser, "Ana", password)
    for current in ("some other word", password):
        change = {"current": current, "password": NEW, "confirm": NEW}
        browser.post("/taskadmin/profile", data=change)
    browser.post("/taskadmin/logout")
    new = {"username": "bea", "password": NEW, "confirm": NEW}
    browser.post("/taskadmin/register", data=new)

    roles = {"is_active": True, "is_superuser": False, "can_review_tasks": False}
    assert trail(session) == [
        ("failed_log_in", "anonymous", "Ana", {"attempts": 1, "username": "Ana"}),
        ("logged_in", "Ana", "Ana", None),
        ("failed_log_in", "Ana", "Ana", {"attempts": 1}),
        ("changed", "Ana", "Ana", {"password": "••••••"}),
        ("logged_out", "Ana", "Ana", None),
        ("registered", "bea", "bea", roles),
    ]
    by = f"from 192.0.2.7 with '{AGENT}'"
    assert lines(caplog) == [
        f"failed log in: user 'Ana' by 'anonymous' {by} (attempts=1, username='Ana')",
        f"logged in: user 'Ana' by 'Ana' {by}",
        f"failed log in: user 'Ana' by 'Ana' {by} (attempts=1)",
        f"changed: user 'Ana' by 'Ana' {by} (password='••••••')",
        f"logged out: user 'Ana' by 'Ana' {by}",
        f"registered: user 'bea' by 'bea' {by}",
    ]
    for record in caplog.records:
        for secret in (password, NEW, "a wrong guess", "some other word", "$argon2"):
            assert secret not in str(vars(record))


def test_a_name_as_it_was_typed_is_traced(
    session: Session, browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Truncated, on one line, with special characters escaped."""
    name = "x\r\nroot logged in\x1b[2J\u202e\0" + "y" * 5000

    log_in(browser, name, "whatever it is")

    [(action, _, subject, after)] = trail(session)
    assert (action, subject) == (
        "failed_log_in",
        ("x\r\nroot logged in\\x1b[2J\\u202e\\x00" + "y" * 200)[:200],
    )
    assert after is not None
    assert len(after["username"]) <= 2000
    [line] = lines(caplog)
    assert line.isprintable()
    assert "'x\\r\\nroot logged in\\x1b[2J\\u202e\\x00yyy" in line
    assert len(line) < 700


def test_right_passwords_of_deactivated_users_are_recorded(
    session: Session, browser: FlaskClient, ana: User, password: str
) -> None:
    """In the audit trail, not on the page."""
    ana.is_active = False
    session.commit()

    log_in(browser, "Ana", password)

    [(_, _, _, after)] = trail(session)
    assert after == {"attempts": 1, "username": "Ana", "is_active": False}


def test_refusals_are_traced_once_a_minute(
    session: Session,
    browser: FlaskClient,
    sign_in: SignIn,
    make_user: MakeUser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each is logged; those of anonymous users are only logged."""
    client = sign_in(make_user("boris"))
    client.environ_base |= browser.environ_base

    for _ in range(3):
        assert client.get("/taskadmin/users/").status_code == 403
    client.get("/taskadmin/audit/")
    browser.get("/taskadmin/users/\r\nx")
    browser.get("/taskadmin/users/")

    assert trail(session) == [
        ("refused", "boris", "/taskadmin/users/", None),
        ("refused", "boris", "/taskadmin/audit/", None),
    ]
    assert len(lines(caplog)) == 5
    assert lines(caplog)[0].startswith(
        "refused: page '/taskadmin/users/' by 'boris' from 192.0.2.7"
    )
    assert "by 'anonymous'" in lines(caplog)[-1]


def test_waits_are_logged_once_a_minute(
    session: Session, browser: FlaskClient, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    """With name and address, in the log only: unchecked guesses would fill the audit trail."""
    for _ in range(9):
        log_in(browser, "Ana", "a wrong guess")
    browser.environ_base["REMOTE_ADDR"] = "198.51.100.4"
    log_in(browser, "Ana\r\n", "a wrong guess")

    assert len(trail(session)) == 5
    refused = [line for line in lines(caplog) if line.startswith("refused")]
    by = f"with '{AGENT}' (wait_seconds=1)"
    assert refused == [
        f"refused: user 'Ana' by 'anonymous' from 192.0.2.7 {by}",
        f"refused: user 'Ana\\r\\n' by 'anonymous' from 198.51.100.4 {by}",
    ]


def test_registrations_that_wait_are_logged(
    session: Session, browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """With the name that was asked for."""
    form = {"username": "ana", "password": NEW, "confirm": NEW}
    counter = throttle.of_address("registration", "192.0.2.7")
    for _ in range(10):
        throttle.count_attempt(session, [counter])

    assert browser.post("/taskadmin/register", data=form).status_code == 429

    [line] = lines(caplog)
    assert line.startswith("refused: user 'ana' by 'anonymous' from 192.0.2.7")


@pytest.mark.parametrize("page", ["tasks", "runs", "audit"])
def test_exports_are_traced(
    session: Session, browser: FlaskClient, sign_in: SignIn, chief: User, page: str
) -> None:
    """With the filter."""
    client = sign_in(chief)
    client.environ_base |= browser.environ_base

    assert client.get(f"/taskadmin/{page}/export/csv/?search=x").status_code == 200

    assert trail(session) == [("exported", "chief", f"{page}.csv", {"search": "x"})]


def test_a_reset_and_new_rights_are_traced(
    session: Session,
    browser: FlaskClient,
    sign_in: SignIn,
    chief: User,
    ana: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With both users."""
    client = sign_in(chief)
    client.environ_base |= browser.environ_base

    client.post(f"/taskadmin/users/password/?id={ana.id}", data={"password": NEW})
    rights = {"is_active": "y", "can_review_tasks": "y"}
    client.post(f"/taskadmin/users/edit/?id={ana.id}", data=rights)

    assert trail(session) == [
        ("changed", "chief", "Ana", {"password": "••••••"}),
        ("changed", "chief", "Ana", {"can_review_tasks": True}),
    ]
    assert [line.partition(" from ")[0] for line in lines(caplog)] == [
        "changed: user 'Ana' by 'chief'",
        "changed: user 'Ana' by 'chief'",
    ]
