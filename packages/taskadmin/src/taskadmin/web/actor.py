"""The actor of the current request, for the audit trail and the log."""

from __future__ import annotations

from flask import g, request

from ..state import get_state
from ..store.people.audit import Actor

#: Name of actors who aren't logged in.
ANONYMOUS = "anonymous"


def visitor() -> Actor:
    """Return the current request's actor, with its address and browser but no user.

    The address is that of the client that connects to the application. Behind a proxy, the host
    corrects it with Werkzeug's ``ProxyFix``.
    """
    return Actor(
        None,
        ANONYMOUS,
        request.remote_addr or "unknown",
        user_agent=request.user_agent.string or None,
        request_id=g.get("request_id"),
    )


def current_actor() -> Actor:
    """Return the logged-in user as actor. Only call this after the check of access."""
    user = get_state().current_user()
    assert user is not None
    return visitor().named(user)
