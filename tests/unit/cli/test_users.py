"""``flask taskadmin users``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeHost, MakeUser
from services.browser import begin_session
from taskadmin import TaskAdmin
from taskadmin.models import AuditEntry, Throttle, User, UserSession
from taskadmin.store.people import second_factors, throttle
from taskadmin.store.people.audit import Actor
from taskadmin.store.people.throttle import THROTTLE_RULES, Counter

Run = Callable[..., Result]


def test_a_user_is_logged_out_everywhere(run: Run, session: Session, make_user: MakeUser) -> None:
    """The name is case-insensitive, and the audit trail has an entry."""
    ada = make_user("Ada")
    begin_session(ada)

    assert run("users", "log-out", "ada").output == "Ada is logged out everywhere.\n"

    assert session.scalars(select(UserSession)).all() == []
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.source, entry.before) == ("command line", {"sessions": 1})
    assert "There is no user nobody." in run("users", "log-out", "nobody", fails=True).output


def test_a_second_factor_is_removed(run: Run, session: Session, make_user: MakeUser) -> None:
    """If there is one."""
    second_factors.set_second_factor(
        session,
        make_user("ada"),
        secret="s",
        step=0,
        code_hashes=["h"],
        actor=Actor(None, "x", "y"),
    )
    removed = "The second factor of ada is removed.\n"

    assert run("users", "remove-second-factor", "ada").output == removed

    again = run("users", "remove-second-factor", "ada", fails=True)
    assert "ada has no second factor." in again.output


def test_an_account_or_an_address_is_unblocked(run: Run, session: Session) -> None:
    """All of its counters; the audit trail names the command line."""
    account, address = throttle.account("ada"), throttle.of_address("address", "192.0.2.7")
    browser, others = Counter("browser", "ada x1"), Counter("browser", "adam x2")
    counters = (account, account._replace(kind="code"), browser, browser._replace(kind="code"))
    for counter in (*counters, address, others):
        for _ in range(THROTTLE_RULES[counter.kind].free):
            throttle.count_attempt(session, [counter])

    for name in ("Ada", "192.0.2.7"):
        assert run("users", "unblock", name).output == f"{name} can try again now.\n"
        again = run("users", "unblock", name, fails=True).output
        assert f"There are no failed attempts of {name}." in again

    assert session.scalars(select(Throttle.key)).all() == ["adam x2"]
    entries = session.execute(select(AuditEntry.subject, AuditEntry.source)).all()
    cleared = ("ada", "ada", "ada x1", "ada x1", "192.0.2.7")
    assert entries == [(name, "command line") for name in cleared]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "command",
    [
        ["create-superuser", "ana", "--password-env", "NOTHING"],
        ["users", "log-out", "ana"],
        ["users", "remove-second-factor", "ana"],
        ["users", "unblock", "ana"],
    ],
)
def test_a_host_that_logs_users_in_has_no_use_for_them(
    make_host: MakeHost, session: Session, command: list[str]
) -> None:
    """They change nothing, and name the function that decides."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, identity=lambda: None)

    done = app.test_cli_runner().invoke(args=["taskadmin", *command])

    assert done.exit_code == 1
    assert "This application logs its users in itself" in done.output
    assert "return Identity(username, is_superuser=True)." in done.output
    assert session.scalars(select(User)).all() == []
