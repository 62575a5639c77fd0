"""``Accounts``: own accounts or the host's users."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_login import LoginManager

from services.hosts import host_app
from taskadmin import Accounts, ConfigurationError, Identity, Models, RegistrationError
from taskadmin.state import get_state


def accounts(app: Flask) -> set[str]:
    """Return the paths of the account pages."""
    paths = {rule.rule for rule in app.url_map.iter_rules() if not rule.arguments}
    return {path.removeprefix("/ops/") for path in paths if path.startswith("/ops/")}


def test_own_accounts_have_pages() -> None:
    """Below the prefix, with taskadmin's login manager."""
    app, db = host_app()
    Models().init_app(app, db=db)

    Accounts().init_app(app, url_prefix="/ops")

    assert accounts(app) >= {"login", "logout", "register", "profile", "preferences"}
    assert hasattr(app, "login_manager")
    with app.test_request_context():
        login_url, home = get_state(app).login_url, get_state(app).home_url()
        assert login_url is not None
        assert (login_url("/ops/tasks/"), home) == ("/ops/login?next=/ops/tasks/", "/ops/profile")


def test_the_hosts_users_have_preferences_only() -> None:
    """The host logs them in, so there is no login manager and no other page."""
    app, db = host_app()
    Models().init_app(app, db=db)

    Accounts().init_app(app, identity=lambda: Identity("ana"), url_prefix="/ops")

    assert accounts(app) == {"preferences"}
    assert not hasattr(app, "login_manager")
    assert get_state(app).login_url is None


def test_a_host_with_a_login_manager_must_pass_an_identity() -> None:
    """Two login managers would use the same session."""
    app, db = host_app()
    LoginManager(app)
    Models().init_app(app, db=db)

    with pytest.raises(RegistrationError) as refused:
        Accounts().init_app(app)

    assert str(refused.value) == (
        "'shop' already has a LoginManager. Pass identity=, a function that returns the"
        " current user, to TaskAdmin().init_app or Accounts().init_app."
    )


@pytest.mark.parametrize("name", ["login_url", "logout_url"])
def test_addresses_of_the_host_need_its_users(name: str) -> None:
    """taskadmin's own accounts have their own pages."""
    app, db = host_app()
    Models().init_app(app, db=db)

    with pytest.raises(RegistrationError, match=f"{name} needs identity"):
        Accounts().init_app(app, **{name: "/there"})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["login_url", "logout_url"])
@pytest.mark.parametrize("url", ["", " ", 5, b"/login"])
def test_an_address_that_is_none_is_refused(name: str, url: object) -> None:
    """With what was expected."""
    app, db = host_app()
    Models().init_app(app, db=db)

    with pytest.raises(ConfigurationError) as refused:
        Accounts().init_app(app, identity=lambda: None, **{name: url})  # type: ignore[arg-type]

    assert str(refused.value) == (
        f"{name} is {url!r}; expected an address such as '/login', the name of an endpoint, or a"
        " function that returns either."
    )
