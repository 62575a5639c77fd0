"""Superusers see and revoke other users' API tokens."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from taskadmin import service
from taskadmin.models import ApiToken, AuditEntry, User
from taskadmin.service import NewToken, Scope

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def created(app: Flask, ana: User) -> NewToken:
    """A token of ana's."""
    with app.app_context():
        return service.create_token("ana", name="Nightly build", scopes=[Scope.RUN])


def test_a_users_page_lists_tokens(superuser: FlaskClient, ana: User, created: NewToken) -> None:
    """Without their secrets."""
    page = superuser.get(f"/taskadmin/users/edit/?id={ana.id}").text

    assert "Nightly build" in page and "Read and run" in page
    assert created.token.prefix in page and created.secret not in page


def test_a_token_is_revoked_by_a_superuser(
    superuser: FlaskClient, session: Session, ana: User, created: NewToken
) -> None:
    """The audit trail says by whom."""
    path = f"/taskadmin/users/revoke-token/?id={ana.id}&token={created.token.id}"
    page = f"/taskadmin/users/edit/?id={ana.id}"
    assert path.replace("&", "&amp;") in superuser.get(page).text

    answer = superuser.post(path)

    assert answer.location == page
    shown = superuser.get(page).text
    assert "Token Nightly build revoked." in shown and "No tokens." in shown
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.subject, entry.after) == ("chief", "Ana", {"token": None})
    assert superuser.post(path).status_code == 404


def test_a_token_belongs_to_its_user(
    superuser: FlaskClient,
    session: Session,
    make_user: MakeUser,
    ana: User,
    created: NewToken,
) -> None:
    """Another user's page doesn't revoke it, nor does an address that nobody has."""
    bob = make_user("bob")
    for person, token in ((bob.id, created.token.id), (99, created.token.id), (ana.id, "x")):
        path = f"/taskadmin/users/revoke-token/?id={person}&token={token}"
        assert superuser.post(path).status_code == 404
    assert session.scalars(select(ApiToken.id)).all() == [created.token.id]


def test_others_revoke_nothing_there(
    sign_in: SignIn, session: Session, make_user: MakeUser, ana: User, created: NewToken
) -> None:
    """Not even their own: that is on their page."""
    path = f"/taskadmin/users/revoke-token/?id={ana.id}&token={created.token.id}"
    for user in (ana, make_user("rev", can_review_tasks=True)):
        assert sign_in(user).post(path).status_code == 403
    assert session.scalars(select(ApiToken.id)).all() == [created.token.id]


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_it_needs_the_forms_own_token(
    superuser: FlaskClient, session: Session, ana: User, created: NewToken
) -> None:
    """And no GET."""
    path = f"/taskadmin/users/revoke-token/?id={ana.id}&token={created.token.id}"

    assert superuser.post(path).status_code == 400
    assert superuser.get(path).status_code == 405
    assert session.scalars(select(ApiToken.id)).all() == [created.token.id]
