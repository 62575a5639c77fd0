"""The ``Accounts`` extension: taskadmin's own accounts, or the host's users."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from flask import url_for

from ..errors import ConfigurationError, RegistrationError
from ..state import State, host_root, is_page, register
from ..web.blueprint import add_shell, checked_prefix
from .identity import (
    HostUrl,
    IdentityFunction,
    IdentityOfFunction,
    address_of,
    has_other_user,
    login_address,
    user_of,
)
from .login import add_login_manager, signed_in_user
from .new_password import lead_to_new_password
from .preferences import make_preferences_blueprint
from .reauthentication import ask_for_password
from .second_factor.log_in import demand
from .tokens.bearer import api_caller, host_user
from .tokens.views import make_tokens_blueprint
from .views import ACCOUNTS_ENDPOINT, make_blueprint
from .views import login_url as own_login_url

if TYPE_CHECKING:
    from flask import Flask


class Accounts:
    """taskadmin's own accounts, or the host's users through an ``identity`` function.

    ``TASKADMIN_REGISTRATION`` controls whether anyone can register. New accounts have no role;
    the first superuser is created with ``flask taskadmin create-superuser``.
    """

    def init_app(
        self,
        app: Flask,
        *,
        identity: IdentityFunction | None = None,
        identity_of: IdentityOfFunction | None = None,
        request_identity: IdentityFunction | None = None,
        login_url: HostUrl | None = None,
        logout_url: HostUrl | None = None,
        url_prefix: str = "/taskadmin",
    ) -> None:
        """Register the log in, registration, log out and profile pages, or use *identity*.

        The preferences page (language and time zone) is registered in both cases.

        Args:
            identity: Returns the user who is logged in to the host.
            identity_of: Returns the user with a username, with the roles of now. Without it, users
                of the host have no API tokens: one would keep the roles of its user's last visit.
            request_identity: Returns the user who sends an API request without a token, such as by
                the host's own tokens; never by a cookie, or other sites' pages could send requests.
            login_url: The host's login page: an address, the name of an endpoint, or a function
                that returns either. Visitors are redirected there, with the page to return to in
                the query, as ``next``.
            logout_url: The host's address for logging out, requested with GET.
            url_prefix: Path prefix of the pages.

        Raises:
            RegistrationError: Without ``Models``, on a second call, or if the host has a
                ``LoginManager`` and passes no *identity*.
            ConfigurationError: If *url_prefix*, *login_url* or *logout_url* can't be used.
        """
        url_prefix = checked_prefix(url_prefix)
        urls = {"login_url": login_url, "logout_url": logout_url}
        _check_host(identity, urls, identity_of=identity_of, request_identity=request_identity)
        state = register(app, "Accounts", needs=("Models",))
        add_shell(app, url_prefix)
        app.register_blueprint(make_preferences_blueprint(url_prefix))
        state.has_tokens = identity is None or identity_of is not None
        if state.has_tokens:
            app.register_blueprint(make_tokens_blueprint(url_prefix))
        state.api_caller = lambda request: api_caller(request, request_identity)
        if identity is not None:
            _use_host(state, identity, login_url, logout_url)
            state.token_user = lambda user: host_user(user, identity_of)
            app.before_request(partial(_find_endpoints, login_url=login_url, logout_url=logout_url))
            state.host_url = host_root if url_prefix else None
            return
        add_login_manager(app)
        state.current_user = signed_in_user
        state.login_url = own_login_url
        state.ask_for_password = ask_for_password
        state.home_url = lambda: url_for(f"{ACCOUNTS_ENDPOINT}.profile")
        app.register_blueprint(make_blueprint(url_prefix))
        app.before_request(lead_to_new_password)
        app.before_request(demand)


def _check_host(
    identity: IdentityFunction | None, urls: Mapping[str, object], **functions: object
) -> None:
    for name, function in {"identity": identity, **functions}.items():
        if function is not None and not callable(function):
            raise ConfigurationError(f"{name} is {function!r}; expected a function.")
    for name, given in {**functions, **urls}.items():
        if given is not None and identity is None:
            raise RegistrationError(
                f"{name} needs identity: without it, taskadmin's own accounts are used. Pass"
                " identity=, a function that returns the current user."
            )
    for name, url in urls.items():
        if url is not None and not callable(url) and not (isinstance(url, str) and url.strip()):
            raise ConfigurationError(
                f"{name} is {url!r}; expected an address such as '/login', the name of an endpoint,"
                " or a function that returns either."
            )


def _find_endpoints(**urls: HostUrl | None) -> None:
    """Raise an error for unknown endpoints, which may be registered after ``init_app``."""
    for name, url in urls.items():
        if isinstance(url, str) and is_page():
            address_of(name, url)


def _use_host(
    state: State,
    identity: IdentityFunction,
    login_url: HostUrl | None,
    logout_url: HostUrl | None,
) -> None:
    state.has_identity = True
    state.current_user = lambda: user_of(identity)
    state.has_other_user = lambda: has_other_user(identity)
    if login_url is not None:
        state.login_url = lambda path: login_address(login_url, path)
    if logout_url is not None:
        state.logout_url = lambda: address_of("logout_url", logout_url)
