"""Who acts in the current request."""

from __future__ import annotations

from flask import request

from ..state import get_state
from ..store.audit import Actor


def current_actor() -> Actor:
    """The person who is signed in, with the network address; only used behind the check of access.

    The address is that of whoever connects to the application. Behind a proxy the host
    makes it the person's own with Werkzeug's ``ProxyFix``.
    """
    user = get_state().current_user()
    assert user is not None
    return Actor(user.id, user.username, request.remote_addr or "unknown")
