"""Users with ``taskadmin.service``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.browser import begin_session
from taskadmin import service
from taskadmin.errors import (
    InvalidPassword,
    InvalidPreference,
    InvalidUsername,
    LastSuperuser,
    UnknownUser,
    UsernameTaken,
)
from taskadmin.models import AuditEntry, User
from taskadmin.service.people import existing_user
from taskadmin.settings import Settings
from taskadmin.store.people import passwords
from taskadmin.store.people.sessions import find_session


def trail(session: Session) -> list[tuple[str, str, Any]]:
    """Return actors and changes."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.actor, entry.action, entry.after) for entry in entries]


def preferences(*, language: str | None = None, zone: str | None = None) -> User:
    """Chief's, changed."""
    return service.set_preferences("chief", language=language, zone=zone)


def test_a_user_is_created_and_edited(context: Flask, session: Session) -> None:
    """Only given values change; the actor is the application."""
    user = service.create_user("Ana", password="correct horse", can_review_tasks=True)

    assert service.check_password(existing_user("ana"), "correct horse")
    assert not service.edit_user(user.id, is_active=False).is_active
    service.edit_user("ana", is_active=True, is_superuser=True)
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, True, True)
    roles = {"is_active": True, "is_superuser": False, "can_review_tasks": True}
    assert trail(session) == [
        ("host", "created", roles),
        ("host", "changed", {"is_active": False}),
        ("host", "changed", {"is_active": True, "is_superuser": True}),
    ]


def test_registrations_are_in_the_audit_trail(context: Flask, session: Session) -> None:
    """With their address, and without a role."""
    service.create_user(
        "ana",
        password="correct horse",
        registered_from=service.Actor(None, "anonymous", "192.0.2.7"),
    )

    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.source, entry.action) == ("ana", "192.0.2.7", "registered")


@pytest.mark.parametrize(
    "change",
    [
        lambda: service.set_password("ana", "correct horse"),
        lambda: service.end_sessions("ana"),
        lambda: service.edit_user("ana", is_active=False),
    ],
    ids=["a new password", "logging out everywhere", "being deactivated"],
)
def test_sessions_end(
    context: Flask, session: Session, make_user: MakeUser, change: Callable[[], object]
) -> None:
    """Earlier cookies are invalid."""
    key, limits = begin_session(make_user("ana")), Settings().session_limits
    assert find_session(session, key, limits) is not None
    session.commit()

    change()

    assert find_session(session, key, limits) is None


def test_a_password_that_was_hashed_with_older_parameters_is_hashed_again(
    context: Flask, session: Session, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the right one is entered and the user may log in; sessions continue."""
    make_user("ana")
    ana, password = existing_user("ana"), "correct horse"
    service.set_password(ana.id, password)
    monkeypatch.setattr(passwords, "needs_rehash", lambda _: True)
    old = ana.password_hash

    assert not service.check_password(ana, "wrong horse")
    service.edit_user(ana.id, is_active=False)
    assert service.check_password(ana, password)
    assert ana.password_hash == old
    service.edit_user(ana.id, is_active=True)
    nonce = ana.session_nonce
    assert service.check_password(ana, password)
    assert (ana.password_hash != old, ana.session_nonce) == (True, nonce)


def test_preferences_are_the_users(context: Flask, session: Session, make_user: MakeUser) -> None:
    """None means the browser's."""
    make_user("ana")
    assert service.set_preferences("ana", language="de", zone=None).username == "ana"
    assert session.execute(select(User.language, User.zone)).one() == ("de", None)


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda: service.create_user("a b"), InvalidUsername, "without spaces"),
        (lambda: service.create_user("CHIEF"), UsernameTaken, "CHIEF is taken"),
        (lambda: service.create_user("x", password="short"), InvalidPassword, "at least 10"),
        (lambda: service.set_password("chief", "short"), InvalidPassword, "at least 10"),
        (lambda: service.edit_user("chief", is_superuser=False), LastSuperuser, "chief is the"),
        (lambda: service.edit_user("nobody", is_active=False), UnknownUser, "no user nobody"),
        (lambda: service.edit_user(7, is_active=False), UnknownUser, "no user 7"),
        (lambda: service.set_password(7, "correct horse"), UnknownUser, "no user 7"),
        (lambda: service.end_sessions("nobody"), UnknownUser, "no user nobody"),
        (
            lambda: preferences(language="tlh"),
            InvalidPreference,
            "no language tlh: choose one of en",
        ),
        (lambda: preferences(zone="Mars/Base"), InvalidPreference, "no time zone Mars/Base"),
    ],
)
def test_rules_hold_for_programs(
    context: Flask,
    session: Session,
    make_user: MakeUser,
    wrong: Callable[[], object],
    error: type[Exception],
    told: str,
) -> None:
    """Nothing is changed."""
    make_user("chief", is_superuser=True)

    with pytest.raises(error, match=told):
        wrong()

    assert session.scalars(select(User.is_superuser)).all() == [True]
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0
