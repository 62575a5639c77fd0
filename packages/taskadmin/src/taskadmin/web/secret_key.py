"""Pages need the host's SECRET_KEY, which may be set after ``init_app``."""

from __future__ import annotations

import logging

from flask import current_app, session
from flask.typing import ResponseReturnValue

from ..state import get_state, is_page
from ..translation.texts import gettext
from .error_pages import failure_page

log = logging.getLogger("taskadmin.pages")

#: Prints a random key; from Flask's documentation.
_COMMAND = "python -c 'import secrets; print(secrets.token_hex())'"


def require_secret_key() -> ResponseReturnValue | None:
    """Explain on every page that the key is missing: neither sessions nor forms would work."""
    if not is_page() or _can_sign():
        return None
    log.error(
        "SECRET_KEY isn't set, so taskadmin's pages can't be used: set app.config['SECRET_KEY'] to"
        " what this prints: %s",
        _COMMAND,
    )
    page = failure_page(
        503,
        gettext("SECRET_KEY isn't set"),
        gettext(
            "Without it, nobody can log in or send a form. The administrator has to add it to the"
            " application's configuration. This command prints a random one."
        ),
        command=_COMMAND,
    )
    return page, 503


def _can_sign() -> bool:
    if current_app.secret_key:
        return True
    # A host may keep its sessions on the server, and have another key for its forms.
    has_session = not current_app.session_interface.is_null_session(session)
    has_key = bool(current_app.config.get("WTF_CSRF_SECRET_KEY"))
    return get_state().has_identity and has_session and has_key
