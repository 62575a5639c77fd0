"""Begin and end login sessions of taskadmin's own accounts."""

from __future__ import annotations

from ..state import get_state
from ..store.people import sessions
from ..store.people.audit import Actor, subject_of
from .people import existing_user
from .tasks import actor_or_application
from .traces import log_trace, trace


def begin_session(user_id: int, *, nonce: str, address: str, user_agent: str) -> str:
    """Begin a session and return the key for its cookie.

    Args:
        nonce: The user's ``session_nonce`` from before the password was checked.
    """
    return sessions.begin_session(
        get_state().session, user_id, nonce=nonce, address=address, user_agent=user_agent
    )


def note_seen(session_id: int) -> None:
    """Record a request of the session."""
    sessions.note_seen(get_state().session, session_id)


def confirm_session(session_id: int) -> str:
    """Record that the user entered the password again; return the new key for the cookie."""
    return sessions.confirm_session(get_state().session, session_id)


def end_session(user: int | str, session_id: int, *, actor: Actor | None = None) -> bool:
    """End one session of a user, and log it as an event; return whether it existed.

    Raises:
        UnknownUser: If there is no such user.
    """
    whose = existing_user(user)
    was_there = sessions.end_session(get_state().session, whose, session_id)
    if was_there:
        trace(actor_or_application(actor), "logged_out", subject_of(whose))
    return was_there


def end_sessions(user: int | str, *, actor: Actor | None = None) -> int:
    """End all sessions of a user, which also invalidates copies of cookies; return how many.

    Raises:
        UnknownUser: If there is no such user.
    """
    by = actor_or_application(actor)
    whose = existing_user(user)
    number = sessions.end_sessions(get_state().session, whose, actor=by)
    log_trace(by, "changed", subject_of(whose), {"sessions": 0})
    return number
