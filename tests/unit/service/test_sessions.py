"""Login sessions with ``taskadmin.service``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from taskadmin import service
from taskadmin.errors import UnknownUser
from taskadmin.models import AuditEntry, User, UserSession
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.people.sessions import find_session

LIMITS = Settings().session_limits


@pytest.fixture
def key(context: Flask, ana: User) -> str:
    """The cookie's key of a session of ana."""
    return service.begin_session(
        ana.id, nonce=ana.session_nonce, address="192.0.2.7", user_agent="Browser/1"
    )


def sessions(session: Session) -> list[tuple[str, str]]:
    """Return address and browser of each session."""
    session.rollback()
    found = session.execute(select(UserSession.address, UserSession.user_agent))
    return [(one.address, one.user_agent) for one in found]


def trail(session: Session) -> list[tuple[str, str, str]]:
    """Return actors, actions and subjects."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.actor, entry.action, entry.subject) for entry in entries]


def test_a_session_knows_where_it_began(session: Session, key: str) -> None:
    """For the profile."""
    assert find_session(session, key, LIMITS) is not None
    assert sessions(session) == [("192.0.2.7", "Browser/1")]


def test_confirming_changes_the_key(session: Session, key: str) -> None:
    """Earlier copies of the cookie become invalid."""
    found = find_session(session, key, LIMITS)
    assert found is not None
    session.rollback()

    new = service.confirm_session(found.id)

    assert find_session(session, key, LIMITS) is None
    assert find_session(session, new, LIMITS) is not None


def test_a_request_prolongs_its_session(session: Session, key: str) -> None:
    """By the database's clock."""
    session.execute(update(UserSession).values(seen_at=now(session) - timedelta(days=1)))
    session.commit()
    assert find_session(session, key, LIMITS) is None
    session.rollback()

    service.note_seen(session.scalars(select(UserSession.id)).one())

    assert find_session(session, key, LIMITS) is not None


def test_one_session_is_ended_once(session: Session, key: str) -> None:
    """With one audit entry; other sessions continue."""
    service.begin_session(1, nonce="n", address="192.0.2.8", user_agent="Browser/2")
    first = session.scalars(select(UserSession.id).order_by(UserSession.id)).first()
    assert first is not None
    session.rollback()

    assert [service.end_session("ana", first), service.end_session("ana", first)] == [True, False]

    assert sessions(session) == [("192.0.2.8", "Browser/2")]
    assert trail(session) == [("host", "logged_out", "Ana")]


def test_all_sessions_are_ended(session: Session, key: str) -> None:
    """By the user's name or id."""
    service.end_sessions("ana")

    assert find_session(session, key, LIMITS) is None
    assert trail(session) == [("host", "changed", "Ana")]


def test_only_users_have_sessions_to_end(context: Flask) -> None:
    """The error names the unknown user."""
    with pytest.raises(UnknownUser, match="nobody"):
        service.end_session("nobody", 1)
    with pytest.raises(UnknownUser, match="nobody"):
        service.end_sessions("nobody")
