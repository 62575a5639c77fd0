"""Flask-Login for taskadmin's own accounts."""

from __future__ import annotations

from flask import Flask
from flask_login import LoginManager, current_user

from ..errors import RegistrationError
from ..models import User
from ..state import get_state

#: Largest id that the column holds; a larger one in a cookie is no id.
_MAX_ID = 2**31 - 1


def add_login_manager(app: Flask) -> None:
    """Give *app* a login manager over taskadmin's users.

    Raises:
        RegistrationError: If the host has one: then it has users of its own.
    """
    if hasattr(app, "login_manager"):
        raise RegistrationError(
            f"{app.name!r} has a LoginManager of its own: pass identity=, a function that returns"
            " who is signed in, to TaskAdmin().init_app or Accounts().init_app."
        )
    manager = LoginManager()
    manager.init_app(app)
    manager.user_loader(load_user)


def load_user(session_id: str) -> User | None:
    """The user of a session cookie; None if the account was deactivated or the session ended."""
    number, _, nonce = session_id.partition(".")
    if not (number.isascii() and number.isdigit() and int(number) <= _MAX_ID):
        return None
    user = get_state().session.get(User, int(number))
    if user is None or not user.is_active or user.session_nonce != nonce:
        return None
    return user


def signed_in_user() -> User | None:
    """Who is signed in to taskadmin's own accounts."""
    if not current_user.is_authenticated:
        return None
    user: User = current_user._get_current_object()  # noqa: SLF001 - Werkzeug documents it
    return user
