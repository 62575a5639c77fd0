"""``Accounts``: who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import url_for

from ..shell import add_shell
from ..state import register
from .identity import IdentityFunction, user_of
from .login import add_login_manager, signed_in_user
from .passwords import hash_new_password
from .preferences import make_preferences_blueprint
from .views import ENDPOINT, login_url, make_blueprint

if TYPE_CHECKING:
    from flask import Flask


class Accounts:
    """Accounts of taskadmin's own, or the host's people through ``identity``.

    ``TASKADMIN_REGISTRATION`` says whether people may register by themselves. Nobody gets
    rights by registering; the first superuser comes from ``flask taskadmin create-superuser``.
    """

    def init_app(
        self,
        app: Flask,
        *,
        identity: IdentityFunction | None = None,
        url_prefix: str = "/taskadmin",
    ) -> None:
        """Register log in, registration, log out and profile, or use the host's *identity*.

        Language and time zone are everybody's own, whoever signs them in.

        Raises:
            RegistrationError: Without ``Models``, on a second call, or if the host has a
                ``LoginManager`` and passes no *identity*.
        """
        state = register(app, "Accounts", needs=("Models",))
        add_shell(app, url_prefix)
        app.register_blueprint(make_preferences_blueprint(url_prefix))
        if identity is not None:
            state.current_user = lambda: user_of(identity)
            return
        add_login_manager(app)
        state.current_user = signed_in_user
        state.login_url = login_url
        state.hash_password = hash_new_password
        state.home_url = lambda: url_for(f"{ENDPOINT}.profile")
        app.register_blueprint(make_blueprint(url_prefix))
