"""Flask-Login for taskadmin's own accounts, over sessions that the database keeps."""

from __future__ import annotations

import logging

from flask import Flask, g, request, session
from flask_login import LoginManager, current_user, login_user
from sqlalchemy.exc import DBAPIError

from .. import service
from ..errors import RegistrationError
from ..models import User
from ..state import get_state, is_page
from ..store.database.outage import first_line
from ..store.people.sessions import SEEN_EVERY, FoundSession, find_session
from ..web.layout import csrf_field_name
from ..web.page_requests import is_poll
from ..web.redirects import UNSENT, is_own_path, tell_unsent

log = logging.getLogger("taskadmin.accounts")

#: Key in Flask's session: the user whose password was right and whose code must follow.
PENDING = "taskadmin_pending"


def add_login_manager(app: Flask) -> None:
    """Register a login manager for taskadmin's users.

    Raises:
        RegistrationError: If *app* already has one, and thus users of its own.
    """
    if hasattr(app, "login_manager"):
        raise RegistrationError(
            f"{app.name!r} already has a LoginManager. Pass identity=, a function that returns the"
            " current user, to TaskAdmin().init_app or Accounts().init_app."
        )
    manager = LoginManager()
    manager.init_app(app)
    manager.user_loader(load_user)


def load_user(key: str) -> User | None:
    """Return the user of a session cookie; None if the session ended or the user is deactivated."""
    state = get_state()
    # On a host's own page, a commit would also commit the page's pending changes.
    may_commit = is_page() or not state.session.in_transaction()
    found = find_session(state.session, key, state.settings.session_limits)
    if found is None:
        return None
    # A poll comes from an open page, not from the user.
    if found.since_seen > SEEN_EVERY and may_commit and not is_poll():
        _note_seen(found)
    found.user.session_key = key
    g.taskadmin_session = found
    return found.user


def _note_seen(found: FoundSession) -> None:
    try:
        service.note_seen(found.id)
    except DBAPIError as error:  # the database is full or read-only
        log.warning("Can't record the use of a session: %s", first_line(error))


def signed_in_user() -> User | None:
    """Return the user who is signed in to taskadmin's own accounts."""
    if not current_user.is_authenticated:
        return None
    user: User = current_user._get_current_object()  # noqa: SLF001 - Werkzeug documents it
    return user


def current_session() -> FoundSession | None:
    """Return the current user's session."""
    found: FoundSession | None = g.get("taskadmin_session")
    return found if signed_in_user() is not None else None


def sign_in(user: User, nonce: str) -> None:
    """Begin a session of *user* in this browser.

    Args:
        nonce: The user's ``session_nonce`` from before the password was checked.
    """
    # Forms rendered before the log in must not work for the new user.
    session.pop(csrf_field_name(), None)
    session.pop(PENDING, None)
    if session.pop(UNSENT, False):
        tell_unsent()  # once more: the log in page has shown it
    user.session_key = service.begin_session(
        user.id,
        nonce=nonce,
        address=request.remote_addr or "unknown",
        user_agent=request.user_agent.string,
    )
    login_user(user)


def after_login() -> str:
    """Return where to go after the log in: the page that was asked for, or the first one."""
    target = request.args.get("next")
    if target is not None and is_own_path(target):
        return target
    return get_state().home_url()
