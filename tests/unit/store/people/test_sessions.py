"""How long sessions last, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser
from services.browser import begin_session
from taskadmin.models import User, UserSession
from taskadmin.settings import SessionLimits
from taskadmin.store.database.clock import now
from taskadmin.store.people import audit, sessions
from taskadmin.store.people.audit import Actor, Filter

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIMITS = SessionLimits(30 * MINUTE, 12 * HOUR)
CHIEF = Actor(None, "chief", "192.0.2.9")


def set_back(session: Session, **ages: timedelta) -> None:
    """Move all sessions' times back."""
    moment = now(session)
    session.execute(update(UserSession).values({k: moment - age for k, age in ages.items()}))
    session.commit()


def test_a_session_is_found_by_its_key_with_one_query(
    session: Session, make_user: MakeUser, count_queries: CountQueries
) -> None:
    """The database contains only the key's hash."""
    ada = make_user("ada")
    key = begin_session(ada)

    with count_queries() as statements:
        found = sessions.find_session(session, key, LIMITS)

    assert found is not None and found.user is ada
    assert found.since_seen < MINUTE and found.since_confirmed < MINUTE
    assert len(statements) == 1
    (row,) = session.execute(text("SELECT * FROM taskadmin_session")).all()
    assert key not in map(str, row)


@pytest.mark.parametrize(
    ("ages", "lasts"),
    [
        ({"seen_at": 29 * MINUTE}, True),
        ({"seen_at": 31 * MINUTE}, False),
        ({"begun_at": 11 * HOUR}, True),
        ({"begun_at": 13 * HOUR}, False),
        ({"confirmed_at": 13 * HOUR}, True),
        ({"seen_at": -HOUR, "begun_at": -HOUR}, True),
    ],
    ids=["away", "away for too long", "long", "too long", "confirmed long ago", "clock set back"],
)
def test_a_session_ends_by_itself(
    session: Session, make_user: MakeUser, ages: dict[str, timedelta], lasts: bool
) -> None:
    """After half an hour without a request, or half a day; then it isn't listed either."""
    ada = make_user("ada")
    key = begin_session(ada)

    set_back(session, **ages)

    assert (sessions.find_session(session, key, LIMITS) is not None) == lasts
    assert len(sessions.sessions_of(session, ada, LIMITS)) == lasts
    assert sessions.prune_sessions(session, LIMITS) == (not lasts)
    assert len(session.scalars(select(UserSession.id)).all()) == lasts


def test_old_sessions_are_deleted_by_and_by(session: Session, make_user: MakeUser) -> None:
    """Up to a limit at a time."""
    for _ in range(3):
        begin_session(make_user(f"ada{_}"))
    set_back(session, seen_at=HOUR)

    assert [sessions.prune_sessions(session, LIMITS, batch=2) for _ in range(3)] == [2, 1, 0]


@pytest.mark.parametrize(
    "end",
    [
        lambda session, user: setattr(user, "is_active", False),
        lambda session, user: setattr(user, "session_nonce", "another"),
        lambda session, user: sessions.end_sessions(session, user),
    ],
    ids=["deactivated", "new nonce", "all ended"],
)
def test_changes_that_end_all_sessions(
    session: Session, make_user: MakeUser, end: Callable[[Session, User], object]
) -> None:
    """Other users' sessions continue."""
    ada, bob = make_user("ada"), make_user("bob")
    keys, bobs = [begin_session(ada), begin_session(ada)], begin_session(bob)

    end(session, ada)
    session.commit()

    assert [sessions.find_session(session, key, LIMITS) for key in keys] == [None, None]
    assert sessions.find_session(session, bobs, LIMITS) is not None


def test_a_session_that_begins_while_the_password_is_changed_is_over(
    session: Session, make_user: MakeUser
) -> None:
    """The password was checked before the change."""
    ada = make_user("ada")
    nonce = ada.session_nonce
    sessions.end_sessions(session, ada)

    key = sessions.begin_session(session, ada.id, nonce=nonce, address="a", user_agent="b")

    assert sessions.find_session(session, key, LIMITS) is None


def test_one_of_several_sessions_is_ended(session: Session, make_user: MakeUser) -> None:
    """Only by its owner."""
    ada, bob = make_user("ada"), make_user("bob")
    keys = [begin_session(ada) for _ in range(3)]
    newest, *_ = sessions.sessions_of(session, ada, LIMITS)

    assert not sessions.end_session(session, bob, newest.id)
    assert sessions.end_session(session, ada, newest.id)
    assert not sessions.end_session(session, ada, newest.id)

    left = [sessions.find_session(session, key, LIMITS) is not None for key in keys]
    assert left == [True, True, False]


def test_ending_all_sessions_is_in_the_audit_trail(session: Session, make_user: MakeUser) -> None:
    """With their number."""
    ada = make_user("ada")
    for _ in range(2):
        begin_session(ada)

    sessions.end_sessions(session, ada, actor=CHIEF)

    (entry,) = audit.page(session, Filter(), limit=9)
    assert (entry.actor, entry.action, entry.subject) == ("chief", "changed", "ada")
    assert (entry.before, entry.after) == ({"sessions": 2}, {"sessions": 0})


def test_confirming_the_password_replaces_the_key(session: Session, make_user: MakeUser) -> None:
    """The session continues with a new key; the old one is invalid."""
    old = begin_session(make_user("ada"))
    set_back(session, confirmed_at=HOUR)
    before = sessions.find_session(session, old, LIMITS)
    assert before is not None and before.since_confirmed > 59 * MINUTE

    new = sessions.confirm_session(session, before.id)

    after = sessions.find_session(session, new, LIMITS)
    assert after is not None
    assert (after.id, after.since_confirmed < MINUTE) == (before.id, True)
    assert sessions.find_session(session, old, LIMITS) is None


@pytest.mark.parametrize("key", ["", "x" * 10_000, "\0", "\ud800", "1.nonce"])
def test_an_invented_key_finds_nothing(session: Session, make_user: MakeUser, key: str) -> None:
    """In any form."""
    begin_session(make_user("ada"))

    assert sessions.find_session(session, key, LIMITS) is None


def test_the_user_agent_is_stored_within_limits(session: Session, make_user: MakeUser) -> None:
    """It is truncated, and unprintable characters are escaped."""
    ada = make_user("ada")
    sessions.begin_session(
        session, ada.id, nonce=ada.session_nonce, address="::1", user_agent="Browser\0" + "x" * 999
    )

    (line,) = sessions.sessions_of(session, ada, LIMITS)

    assert line.address == "::1"
    assert (line.user_agent[:12], len(line.user_agent)) == ("Browser\\x00x", 300)
