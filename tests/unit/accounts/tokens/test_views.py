"""The pages of API tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from services.pages import messages
from services.servers.databases import dispose_engines
from taskadmin import Identity, TaskAdmin, service
from taskadmin.models import ApiToken, AuditEntry, User, UserSession
from taskadmin.service import Scope
from taskadmin.store.database.clock import now

NEW = {"name": "CI", "scope": "run", "days": "30"}

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def mine(sign_in: SignIn, ana: User) -> FlaskClient:
    """Ana's browser."""
    return sign_in(ana)


def add_token(app: Flask, user: str, name: str = "CI") -> int:
    """Create a token and return its id."""
    with app.app_context():
        return service.create_token(user, name=name, scopes=[Scope.READ]).token.id


def shown_secret(page: str) -> str:
    """Return the secret on a page."""
    (secret,) = re.findall(r"taskadmin_[A-Za-z0-9]{53}", page)
    return str(secret)


def test_a_new_token_is_shown_once(app: Flask, mine: FlaskClient) -> None:
    """On a page that no cache keeps; lists have its beginning."""
    created = mine.post("/taskadmin/tokens/new", data=NEW)
    secret = shown_secret(created.text)

    assert created.headers["Cache-Control"] == "no-store"
    page = mine.get("/taskadmin/tokens").text
    assert f"{secret[:14]}…" in page and secret not in page
    with app.app_context():
        bearer = service.authenticate(secret)
        assert bearer is not None and bearer.user.username == "Ana"
        assert bearer.scopes == {Scope.READ, Scope.RUN}
        (token,) = service.find_tokens("ana")
    assert (token.expires_at - token.created_at).days == 30


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": " "}, "Enter a name of at most 100 characters."),
        ({"name": "n" * 101}, "Enter a name of at most 100 characters."),
        ({"scope": "all"}, 'aria-describedby="scope-error'),
        ({"days": "9999"}, 'aria-describedby="days-error'),
        ({"days": "x"}, 'aria-describedby="days-error'),
    ],
)
def test_a_form_that_no_token_fits(
    mine: FlaskClient, session: Session, given: dict[str, str], message: str
) -> None:
    """It is shown again; nothing is stored."""
    answer = mine.post("/taskadmin/tokens/new", data=NEW | given)

    assert answer.status_code == 422
    assert message in answer.text
    assert session.scalars(select(ApiToken)).all() == []


def test_a_token_is_revoked_after_a_question(
    app: Flask, mine: FlaskClient, session: Session
) -> None:
    """By one's own page; the audit trail says so."""
    path = f"/taskadmin/tokens/revoke?id={add_token(app, 'ana')}"
    assert path in mine.get("/taskadmin/tokens").text
    assert "Revoke CI?" in mine.get(path).text
    assert len(session.scalars(select(ApiToken)).all()) == 1
    session.commit()

    answer = mine.post(path)

    assert answer.location == "/taskadmin/tokens"
    assert messages(mine.get(answer.location).text) == ["Token CI revoked."]
    assert session.scalars(select(ApiToken)).all() == []
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None and entry.after == {"token": None}
    assert entry.actor == "Ana"


def test_a_token_of_another_user_is_unknown(
    app: Flask, mine: FlaskClient, session: Session, make_user: MakeUser
) -> None:
    """As are those that don't exist; superusers use the user's page."""
    make_user("boss", is_superuser=True)
    theirs = add_token(app, "boss", "Secret name")

    for token_id in (theirs, 99, 2**63):
        for answer in (
            mine.get(f"/taskadmin/tokens/revoke?id={token_id}"),
            mine.post(f"/taskadmin/tokens/revoke?id={token_id}"),
        ):
            assert answer.status_code == 404
            assert "Secret name" not in answer.text
    assert "Secret name" not in mine.get("/taskadmin/tokens").text
    assert session.scalars(select(ApiToken.id)).all() == [theirs]


@pytest.mark.parametrize("path", ["tokens/new", "tokens/revoke?id=1"])
def test_the_password_is_asked_for_again(
    app: Flask, mine: FlaskClient, session: Session, path: str
) -> None:
    """A stolen session can't create or revoke tokens."""
    add_token(app, "ana")
    moment = now(session) - timedelta(hours=1)
    session.execute(update(UserSession).values(confirmed_at=moment))
    session.commit()

    answers = [mine.get(f"/taskadmin/{path}"), mine.post(f"/taskadmin/{path}", data=NEW)]

    assert all("Confirm it&#39;s you" in one.text for one in answers)
    assert session.scalars(select(ApiToken.id)).all() == [1]


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_tokens_are_changed_by_their_forms_only(
    app: Flask, mine: FlaskClient, session: Session
) -> None:
    """With a CSRF token; a GET changes nothing."""
    token_id = add_token(app, "ana")

    for path in (f"tokens/new?id={token_id}", f"tokens/revoke?id={token_id}"):
        assert mine.post(f"/taskadmin/{path}", data=NEW).status_code == 422
        assert mine.get(f"/taskadmin/{path}&name=CI&scope=run&days=30").status_code == 200
    assert mine.post("/taskadmin/tokens").status_code == 405
    assert session.scalars(select(ApiToken.id)).all() == [token_id]


@pytest.mark.parametrize("path", ["tokens", "tokens/new", "tokens/revoke?id=1"])
def test_visitors_log_in_first(client: FlaskClient, path: str) -> None:
    """And continue at the page."""
    answer = client.get(f"/taskadmin/{path}")

    assert answer.location == f"/taskadmin/login?next=/taskadmin/{path.replace('=', '%3D')}"
    if path != "tokens":
        assert client.post(f"/taskadmin/{path}").location.startswith("/taskadmin/login")


class HostWithPages:
    """A host with a user who is logged in."""

    def __init__(self, url: URL, *, has_look_up: bool) -> None:
        ana = Identity("Ana")
        self.app = Flask("host")
        self.app.config.update(TESTING=True, SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=url)
        self.app.config.update(WTF_CSRF_ENABLED=False)
        TaskAdmin().init_app(
            self.app,
            db=SQLAlchemy(self.app),
            identity=lambda: ana,
            identity_of={"Ana": ana}.get if has_look_up else None,
        )


@pytest.fixture
def host(request: pytest.FixtureRequest, database_url: URL) -> Iterator[HostWithPages]:
    """A host on the test's database."""
    made = HostWithPages(database_url, has_look_up=request.param)
    yield made
    dispose_engines(made.app)


@pytest.mark.parametrize("host", [True], indirect=True)
def test_the_hosts_users_have_tokens(host: HostWithPages) -> None:
    """taskadmin has no password to ask for."""
    client = host.app.test_client()
    secret = shown_secret(client.post("/taskadmin/tokens/new", data=NEW).text)

    page = client.get("/taskadmin/preferences").text

    assert 'href="/taskadmin/tokens"' in page
    with host.app.app_context():
        bearer = service.authenticate(secret)
        assert bearer is not None and bearer.user.username == "Ana"


@pytest.mark.parametrize("host", [False], indirect=True)
def test_without_a_look_up_there_are_no_pages(host: HostWithPages) -> None:
    """Nor links to them."""
    client = host.app.test_client()

    assert "/taskadmin/tokens" not in client.get("/taskadmin/preferences").text
    for path in ("tokens", "tokens/new", "tokens/revoke?id=1"):
        assert client.get(f"/taskadmin/{path}").status_code == 404
