"""Who sends an API request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask import Flask, request
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL

from fixture_types import MakeUser, SignIn
from services.servers.databases import dispose_engines
from taskadmin import Identity, TaskAdmin, service
from taskadmin.errors import InvalidToken, RegistrationError, TooManyAttempts
from taskadmin.models import User
from taskadmin.service import Scope
from taskadmin.state import get_state
from taskadmin.store.people.tokens import new_secret


class HostWithTokens:
    """A host that looks up its users by name, and has a rule for its own API."""

    def __init__(self, url: URL) -> None:
        self.people = {"Ana": Identity("Ana", is_superuser=True)}
        self.app = Flask("host")
        self.app.config.update(TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=url)
        LoginManager(self.app).user_loader(lambda _: None)
        TaskAdmin().init_app(
            self.app,
            db=SQLAlchemy(self.app),
            identity=lambda: None,
            identity_of=self.people.get,
            request_identity=lambda: self.people.get(request.headers.get("X-Host-User", "")),
        )


@pytest.fixture
def host(database_url: URL) -> Iterator[HostWithTokens]:
    """A host on the test's database."""
    made = HostWithTokens(database_url)
    yield made
    dispose_engines(made.app)


class Caller(NamedTuple):
    """What a request's bearer is, while the request lasts."""

    username: str
    may_manage: bool
    may_review: bool
    scopes: frozenset[Scope]
    token_id: int | None


def caller(app: Flask, authorization: str = "", **headers: str) -> Caller | None:
    """Return who sends a request with these headers."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if authorization:
        given["Authorization"] = authorization
    with app.test_request_context("/taskadmin/api/v1/tasks", headers=given):
        bearer = get_state().api_caller(request)
        if bearer is None:
            return None
        user = bearer.user
        rights = (user.may_manage, user.may_review)
        return Caller(user.username, *rights, bearer.scopes, bearer.token_id)


def make_token(app: Flask, user: str = "ada") -> str:
    """Create a token that may read."""
    with app.app_context():
        return service.create_token(user, name="CI", scopes=[Scope.READ]).secret


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_comes_in_the_header(app: Flask, make_user: MakeUser, scheme: str) -> None:
    """With any case of the scheme (RFC 9110, 11.1)."""
    make_user("ada")
    secret = make_token(app)

    found = caller(app, f"{scheme} {secret}")

    assert found is not None
    assert found.username == "ada" and found.scopes == {Scope.READ}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "{}",
        "Basic {}",
        "Token {}",
        "Bearer",
        "Bearer ",
        "Bearer {}x",
        "Bearer {} {}",
        "Bearer é",
    ],
)
def test_other_headers_are_nobodys(app: Flask, make_user: MakeUser, authorization: str) -> None:
    """Without an error."""
    make_user("ada")
    secret = make_token(app)

    assert caller(app, authorization.replace("{}", secret)) is None


def test_a_session_is_no_caller(sign_in: SignIn, ana: User) -> None:
    """Whoever is logged in: other sites' pages can make a browser send its cookies."""
    with sign_in(ana) as client:
        assert client.get("/taskadmin/profile").status_code == 200
        assert get_state().current_user() is not None
        assert get_state().api_caller(request) is None


def test_unknown_tokens_of_an_address_are_refused(app: Flask) -> None:
    """By address; those of another address aren't."""
    unknown = f"Bearer {new_secret()}"
    for _ in range(10):
        assert caller(app, unknown) is None

    with pytest.raises(TooManyAttempts):
        caller(app, unknown)


def test_a_hosts_rule_identifies_requests(host: HostWithTokens) -> None:
    """Without a token of taskadmin's; every scope is within the user's roles."""
    for authorization in ("", "Bearer the.host's.own", "Basic YTpi"):
        found = caller(host.app, authorization, X_Host_User="Ana")
        assert found is not None
        assert (found.username, found.may_manage) == ("Ana", True)
        assert found.scopes == set(Scope) and found.token_id is None
    assert caller(host.app, X_Host_User="Bob") is None


def test_a_token_decides_alone(host: HostWithTokens) -> None:
    """A wrong one doesn't become the user whom the host's rule names."""
    assert caller(host.app, f"Bearer {new_secret()}", X_Host_User="Ana") is None


def test_tokens_of_the_hosts_users_follow_the_host(host: HostWithTokens) -> None:
    """Roles are those of the moment; without a user, there is no token."""
    assert caller(host.app, X_Host_User="Ana") is not None  # her row
    token = f"Bearer {make_token(host.app, 'Ana')}"

    found = caller(host.app, token)
    assert found is not None and found.may_manage
    host.people["Ana"] = Identity("Ana", can_review_tasks=True)
    found = caller(host.app, token)
    assert found is not None
    assert (found.may_manage, found.may_review) == (False, True)
    assert found.scopes == {Scope.READ}
    host.people["Ana"] = Identity("Bob", is_superuser=True)
    assert caller(host.app, token) is None
    del host.people["Ana"]
    assert caller(host.app, token) is None


def test_without_a_look_up_the_hosts_users_have_no_tokens(
    app: Flask, database_url: URL, make_user: MakeUser
) -> None:
    """One would keep the roles of the last visit."""
    make_user("ana")
    secret = make_token(app, "ana")
    app = Flask("host")
    app.config.update(TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), identity=lambda: Identity("ana"))

    assert caller(app, f"Bearer {secret}") is None
    with pytest.raises(InvalidToken, match="pass identity_of"):
        make_token(app, "ana")
    assert caller(app) is None
    dispose_engines(app)


@pytest.mark.parametrize("name", ["identity_of", "request_identity"])
def test_the_hosts_functions_need_an_identity(name: str, database_url: URL) -> None:
    """The error says so."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)

    with pytest.raises(RegistrationError, match=f"{name} needs identity"):
        TaskAdmin().init_app(app, db=SQLAlchemy(app), **{name: lambda *_: None})  # type: ignore[arg-type]
