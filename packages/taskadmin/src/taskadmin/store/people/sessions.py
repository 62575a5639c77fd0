"""Login sessions of taskadmin's own accounts."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ...models import SecondFactor, User, UserSession
from ...models.user import new_session_nonce
from ...settings import SessionLimits
from ...values.showable import showable
from ...values.storable import escaped_text
from ..database.clock import database_now, now
from ..database.transaction import changed_rows, end_reading, ledger_transaction
from .audit import Actor, record, subject_of

#: Precision of ``seen_at``: otherwise, every request would write.
SEEN_EVERY = timedelta(minutes=1)
#: Maximum sessions to list.
_MAX_LISTED_SESSIONS = 50
_IS_CURRENT = UserSession.nonce == User.session_nonce


class FoundSession(NamedTuple):
    """A session with its user, found by its key."""

    user: User
    id: int
    #: Since the last recorded request.
    since_seen: timedelta
    #: Since the user last entered the password.
    since_confirmed: timedelta
    has_second_factor: bool


class SessionLine(NamedTuple):
    """A session as plain values, for lists."""

    id: int
    begun_at: datetime
    seen_at: datetime
    address: str
    user_agent: str


def begin_session(
    session: Session, user_id: int, *, nonce: str, address: str, user_agent: str
) -> str:
    """Add a session, and return the key for its cookie: 256 random bits, of which a hash is stored.

    Args:
        nonce: The user's ``session_nonce`` from before the password was checked, so that a session
            that starts while the password changes ends at once.
    """
    key = secrets.token_urlsafe(32)
    moment = database_now()
    session.execute(
        insert(UserSession.__table__).values(  # type: ignore[arg-type]
            key_hash=_hash(key),
            user_id=user_id,
            nonce=nonce,
            begun_at=moment,
            seen_at=moment,
            confirmed_at=moment,
            address=escaped_text(address)[:100],
            user_agent=escaped_text(user_agent)[:300],
        )
    )
    session.commit()
    return key


def find_session(session: Session, key: str, limits: SessionLimits) -> FoundSession | None:
    """Return a cookie's session, by one query; None if it has ended or the user is inactive."""
    columns = (UserSession.begun_at, UserSession.seen_at, UserSession.confirmed_at)
    row = session.execute(
        select(User, UserSession.id, *columns, database_now(), SecondFactor.user_id)
        .join_from(UserSession, User, UserSession.user_id == User.id)
        .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
        .where(UserSession.key_hash == _hash(key), _IS_CURRENT, User.is_active)
    ).one_or_none()
    if row is None:
        return None
    user, session_id, begun_at, seen_at, confirmed_at, moment, factor = row
    if moment - begun_at >= limits.total or moment - seen_at >= limits.idle:
        return None
    return FoundSession(
        user, session_id, moment - seen_at, moment - confirmed_at, factor is not None
    )


def note_seen(session: Session, session_id: int) -> None:
    """Record a request; call it at most every ``SEEN_EVERY``."""
    with ledger_transaction(session):
        session.execute(
            update(UserSession).where(UserSession.id == session_id).values(seen_at=database_now()),
            execution_options={"synchronize_session": False},
        )


def confirm_session(session: Session, session_id: int) -> str:
    """Record that the user entered the password again, and return the session's new key.

    Other holders of the old key are logged out (ASVS 5, 7.2.4).
    """
    key = secrets.token_urlsafe(32)
    with ledger_transaction(session):
        session.execute(
            update(UserSession)
            .where(UserSession.id == session_id)
            .values(key_hash=_hash(key), confirmed_at=database_now()),
            execution_options={"synchronize_session": False},
        )
    return key


def sessions_of(session: Session, user: User, limits: SessionLimits) -> Sequence[SessionLine]:
    """Return a user's sessions by one query, last seen first."""
    columns = [getattr(UserSession, name) for name in SessionLine._fields]
    rows = session.execute(
        select(database_now(), *columns)
        .where(UserSession.user_id == user.id, UserSession.nonce == user.session_nonce)
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
        .limit(_MAX_LISTED_SESSIONS)
    )
    lines = [(moment, SessionLine(*map(showable, row))) for moment, *row in rows]
    return [line for moment, line in lines if _lasts(line, moment, limits)]


def _lasts(one: SessionLine, moment: datetime, limits: SessionLimits) -> bool:
    return moment - one.begun_at < limits.total and moment - one.seen_at < limits.idle


def end_session(session: Session, user: User, session_id: int) -> bool:
    """End one of a user's sessions; return whether it existed."""
    with ledger_transaction(session):
        return (
            changed_rows(
                session,
                delete(UserSession).where(
                    UserSession.id == session_id, UserSession.user_id == user.id
                ),
            )
            > 0
        )


def end_sessions(session: Session, user: User, *, actor: Actor | None = None) -> int:
    """End all sessions of a user, invalidate the user's cookies, and return how many ended.

    Args:
        actor: Named in the audit entry, which has the number of sessions; None writes no entry.
    """
    mine = UserSession.user_id == user.id
    with ledger_transaction(session):
        valid = select(func.count()).where(mine, UserSession.nonce == user.session_nonce)
        count = session.scalar(valid) or 0
        session.execute(
            delete(UserSession).where(mine), execution_options={"synchronize_session": False}
        )
        user.session_nonce = new_session_nonce()
        if actor is not None:
            before, after = {"sessions": count}, {"sessions": 0}
            record(session, actor, "changed", subject_of(user), before=before, after=after)
    return count


def prune_sessions(session: Session, limits: SessionLimits, *, batch: int = 1_000) -> int:
    """Delete sessions beyond their limits; return how many."""
    moment = now(session)
    over = or_(
        UserSession.begun_at <= moment - limits.total, UserSession.seen_at <= moment - limits.idle
    )
    ids = session.scalars(select(UserSession.id).where(over).limit(batch)).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        return changed_rows(
            session,
            delete(UserSession).where(UserSession.id.in_(ids)),
        )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
