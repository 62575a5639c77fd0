"""Log in and log out."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from services.accounts import is_signed_in, log_in
from services.addresses import EVIL
from services.browser import hidden_fields, sign_in
from taskadmin.models import User
from taskadmin.store.people import passwords

WRONG = "Username or password is wrong."


@pytest.mark.parametrize("username", ["Ana", "ana", "ANA", " ana ", "Ａｎａ"])
def test_people_log_in_by_name_and_password(
    client: FlaskClient, ana: User, password: str, username: str
) -> None:
    """In any case and width of the name."""
    answer = log_in(client, username, password)

    assert (answer.status_code, answer.location) == (302, "/taskadmin/")
    assert is_signed_in(client)


@pytest.mark.parametrize(
    ("username", "password"),
    [("Ana", "wrong password"), ("Ana", ""), ("nobody", "correct horse battery"), ("", "x")],
)
def test_a_wrong_name_or_password_is_one_message(
    client: FlaskClient, ana: User, username: str, password: str
) -> None:
    """It doesn't reveal whether the name exists."""
    answer = log_in(client, username, password)

    assert answer.status_code == 422
    if username and password:
        assert WRONG in answer.text
    assert not is_signed_in(client)


def test_a_name_that_does_not_exist_costs_a_hash_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that response times don't reveal accounts."""
    verified: list[str] = []
    original = PasswordHasher.verify

    def verify(self: PasswordHasher, hash_: str, password: str) -> bool:
        verified.append(password)
        return original(self, hash_, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)

    log_in(client, "nobody", "some password")

    assert verified == ["some password"]


def test_a_deactivated_account_cannot_log_in(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """With the same message as a wrong password."""
    ana.is_active = False
    session.commit()

    answer = log_in(client, "Ana", password)

    assert WRONG in answer.text
    assert not is_signed_in(client)


def test_logging_out_needs_a_post(client: FlaskClient, ana: User, password: str) -> None:
    """Links and images can't log users out."""
    log_in(client, "Ana", password)

    assert client.get("/taskadmin/logout").status_code == 405
    assert is_signed_in(client)


def test_a_hash_of_older_parameters_is_renewed(
    session: Session, client: FlaskClient, ana: User, password: str
) -> None:
    """At the next log in, without ending other sessions."""
    ana.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    session.commit()
    nonce = ana.session_nonce

    log_in(client, "Ana", password)

    session.expire_all()
    assert not passwords.needs_rehash(ana.password_hash)
    assert ana.session_nonce == nonce


OUTSIDE = [
    *("/", "/taskadmin/tasks/", "/opsevil/x", "/Ops/x", "/ops/../evil", "/ops/..", "/ops/./../x"),
    *("/ops/%2e%2e/evil", "/ops/%252e%252e/evil", "/ops%2f..%2fevil", "/ops/.%2E/x?y=1"),
    *("/ops/x%3f/%2e%2e/%2e%2e/evil", "/%6fpsevil"),
    *("/evil?/ops/x", "/evil#/ops/", "/evil%3f/ops/x"),
]

BELOW = ["/ops", "/ops?a=/../b", "/ops/", "/ops/taskadmin/runs/?task=1", "/%6fps/taskadmin/"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("target", "location"),
    [(target, "/ops/taskadmin/") for target in OUTSIDE] + [(target, target) for target in BELOW],
)
def test_logging_in_stays_below_a_prefix(
    client: FlaskClient, ana: User, password: str, target: str, location: str
) -> None:
    """The site may have other applications outside of it."""
    answer = client.post(
        "/taskadmin/login",
        base_url="http://localhost/ops",
        query_string={"next": target},
        data={"username": "Ana", "password": password},
    )

    assert (answer.status_code, answer.location) == (302, location)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("target", EVIL)
def test_logging_in_never_leads_to_another_site(
    client: FlaskClient, ana: User, password: str, target: str
) -> None:
    """``next`` must be a path of this site."""
    data = {"username": "Ana", "password": password}
    answer = client.post("/taskadmin/login", query_string={"next": target}, data=data)

    assert answer.status_code == 302
    assert answer.location == "/taskadmin/"


@pytest.mark.databases("sqlite")
def test_logging_in_leads_back_to_where_one_was(
    client: FlaskClient, ana: User, password: str
) -> None:
    """The refused page's address is kept."""
    begin = client.get("/taskadmin/runs/?task=1&state=failed").location

    answer = client.post(begin, data={"username": "Ana", "password": password})

    assert answer.location == "/taskadmin/runs/?task=1&state=failed"


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.parametrize("path", ["login", "register"])
def test_account_forms_need_their_token(client: FlaskClient, ana: User, path: str) -> None:
    """Without a valid one, nobody is logged in or registered."""
    password = "correct horse battery"
    data = {"username": "Ana", "password": password, "confirm": password}

    for token in ({}, {"csrf_token": "stale"}):
        answer = client.post(f"/taskadmin/{path}", data={**data, **token})

        assert answer.status_code == 422
        assert "This form has expired; nothing was changed." in answer.text
    assert not is_signed_in(client)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_logging_out_requires_a_token(client: FlaskClient, ana: User) -> None:
    """The response is 400; the page's button has it."""
    sign_in(client, ana)

    refused = client.post("/taskadmin/logout")

    assert refused.status_code == 400
    assert "This form has expired" in refused.text
    logged_out = client.post(
        "/taskadmin/logout", data=hidden_fields(client.get("/taskadmin/profile").text)
    )
    assert logged_out.location == "/taskadmin/login"
    assert client.get("/taskadmin/profile").status_code == 302


def test_logging_out_twice_is_no_error(client: FlaskClient) -> None:
    """The second request redirects to log in."""
    assert client.post("/taskadmin/logout").location == "/taskadmin/login"


@pytest.mark.parametrize("page", ["login", "register"])
def test_signed_in_users_skip_the_log_in_page(client: FlaskClient, ana: User, page: str) -> None:
    """They are redirected, only to paths of this site."""
    sign_in(client, ana)

    def leads_to(target: str) -> str | None:
        return client.get(f"/taskadmin/{page}", query_string={"next": target}).location

    assert leads_to("/taskadmin/profile") == "/taskadmin/profile"
    assert leads_to("//evil.example") == "/taskadmin/"


def test_the_way_back_goes_through_registration(client: FlaskClient) -> None:
    """After registering, the requested page is shown."""
    begin = client.get("/taskadmin/review/?sort=tasks").location
    link = re.search(r'href="(/taskadmin/register[^"]*)"', client.get(begin).text)
    assert link is not None

    answer = client.post(
        link[1].replace("&amp;", "&"),
        data={"username": "bea", "password": "kite boat lamp", "confirm": "kite boat lamp"},
    )

    assert answer.location == "/taskadmin/review/?sort=tasks"
