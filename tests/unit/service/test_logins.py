"""Check passwords with ``taskadmin.service``; tests of accounts test the pages."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.errors import HashesBusy, TooManyAttempts
from taskadmin.models import AuditEntry, Throttle, User
from taskadmin.service import Actor, logins
from taskadmin.service.logins import KnownBrowser
from taskadmin.store.people import passwords, second_factors
from taskadmin.store.people.throttle import Counter

VISITOR = Actor(None, "anonymous", "192.0.2.7")
FREE = 5


def try_password(password: str, browser: KnownBrowser | None = None) -> bool:
    """Return whether ana can log in with a password."""
    found = logins.log_in("Ana", password, visitor=VISITOR, browser=browser)
    return found is not None


def guess() -> None:
    """Use up the attempts without a wait, from other addresses."""
    for number in range(FREE):
        elsewhere = Actor(None, "anonymous", f"198.51.100.{number}")
        assert logins.log_in("Ana", "a guess", visitor=elsewhere) is None


def trail(session: Session) -> list[tuple[str, str, object]]:
    """Return actors, actions and values."""
    session.rollback()
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.actor, entry.action, entry.after) for entry in entries]


def counters(session: Session) -> dict[str, int]:
    """Return attempts by kind of counter."""
    session.rollback()
    return {row.counter: row.attempts for row in session.scalars(select(Throttle))}


def test_the_right_password_logs_in(
    context: Flask, session: Session, ana: User, password: str
) -> None:
    """The nonce is from before the check; failed attempts are reset."""
    assert not try_password("a guess")

    found = logins.log_in("ana", password, visitor=VISITOR)

    assert found is not None
    assert (found.user.id, found.nonce, found.needs_code) == (ana.id, ana.session_nonce, False)
    assert trail(session)[1] == ("Ana", "logged_in", None)
    assert counters(session) == {"address": 1}


@pytest.mark.parametrize(
    ("username", "is_active", "right", "told"),
    [
        ("Ana", True, False, {"attempts": 1, "username": "Ana"}),
        ("nobody", True, False, {"attempts": 1, "username": "nobody"}),
        ("Ana", False, False, {"attempts": 1, "username": "Ana"}),
        ("Ana", False, True, {"attempts": 1, "username": "Ana", "is_active": False}),
    ],
    ids=["wrong password", "unknown name", "deactivated", "deactivated with the password"],
)
def test_other_attempts_are_recorded(
    context: Flask,
    session: Session,
    ana: User,
    password: str,
    username: str,
    is_active: bool,
    right: bool,
    told: dict[str, object],
) -> None:
    """The audit trail has the reason, but the caller doesn't."""
    ana.is_active = is_active
    session.commit()

    found = logins.log_in(username, password if right else "a guess", visitor=VISITOR)

    assert found is None
    assert trail(session) == [("anonymous", "failed_log_in", told)]


def test_after_too_many_attempts_no_password_is_checked(
    context: Flask, ana: User, password: str
) -> None:
    """Not even the right one, until the wait is over."""
    guess()

    with pytest.raises(TooManyAttempts) as refused:
        try_password(password)

    assert refused.value.retry_after.total_seconds() == 1


def test_a_known_browser_has_its_own_counter(
    context: Flask, session: Session, ana: User, make_user: MakeUser, password: str
) -> None:
    """Others' guesses don't lock the user out; another user's browser doesn't help."""
    guess()

    assert not try_password("forgot it", KnownBrowser(ana.id, "n"))
    assert try_password(password, KnownBrowser(ana.id, "n"))
    with pytest.raises(TooManyAttempts):
        try_password(password, KnownBrowser(make_user("bob").id, "n"))
    with pytest.raises(TooManyAttempts):
        try_password(password, KnownBrowser(99, "n"))
    assert counters(session)["account"] == FREE


def test_a_second_factor_follows_the_password(
    context: Flask, session: Session, ana: User, password: str
) -> None:
    """The user is logged in after the right code; wrong ones are counted."""
    second_factors.set_second_factor(
        session, ana, secret="s", step=0, code_hashes=["h"], actor=VISITOR
    )

    found = logins.log_in("Ana", password, visitor=VISITOR)

    assert found is not None and found.needs_code
    for _ in range(FREE):
        assert not logins.log_in_with_code(found.user, "000000", visitor=VISITOR)
    with pytest.raises(TooManyAttempts):
        logins.log_in_with_code(found.user, "000000", visitor=VISITOR)
    told = {"attempts": FREE, "second_factor": False}
    assert trail(session)[-1] == ("Ana", "failed_log_in", told)
    assert [action for _, action, _ in trail(session)].count("logged_in") == 0


def test_confirming_a_password_is_limited_too(
    context: Flask, session: Session, ana: User, password: str
) -> None:
    """So that a stolen session doesn't reveal it; the right password resets the count."""
    actor = VISITOR.named(ana)
    assert not logins.confirm_password(ana, "a guess", actor=actor)
    assert logins.confirm_password(ana, password, actor=actor)
    assert counters(session) == {}

    for _ in range(FREE):
        assert not logins.confirm_password(ana, "a guess", actor=actor)
    with pytest.raises(TooManyAttempts):
        logins.confirm_password(ana, password, actor=actor)


def test_an_attempt_that_could_not_be_checked_does_not_count(
    context: Flask, session: Session, ana: User, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the process's slots for hashes are taken."""
    monkeypatch.setattr(passwords, "HASH_WAIT_SECONDS", 0.01)

    with passwords.hash_slot(), passwords.hash_slot(), pytest.raises(HashesBusy):
        try_password(password)

    assert counters(session) == {"address": 0, "account": 0}


def test_waits_are_listed_and_cleared(
    context: Flask, session: Session, ana: User, password: str
) -> None:
    """By username or address; the audit trail has the actor."""
    guess()
    (wait,) = logins.find_waits(limit=10)
    assert (wait.kind, wait.key, wait.attempts) == ("account", "ana", FREE)
    chief = Actor(None, "chief", "192.0.2.9")

    assert not logins.clear_wait(Counter("account", "nobody"), actor=chief)
    assert [logins.unblock("Ana", actor=chief), logins.unblock("Ana", actor=chief)] == [True, False]

    assert logins.find_waits(limit=10) == []
    assert try_password(password)
    assert trail(session)[FREE] == ("chief", "unblocked", {"kind": "account"})


def test_registrations_are_counted_by_address(context: Flask, session: Session) -> None:
    """Taken usernames count, too, so that they can't be enumerated."""
    for _ in range(10):
        logins.count_registration(VISITOR)

    with pytest.raises(TooManyAttempts):
        logins.count_registration(VISITOR)
    logins.count_registration(Actor(None, "anonymous", "192.0.2.8"))
