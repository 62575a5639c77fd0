"""Superusers end other users' sessions and remove second factors."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from services.browser import begin_session
from taskadmin.models import AuditEntry, SecondFactor, User
from taskadmin.store.people import second_factors
from taskadmin.store.people.audit import Actor

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def ana(session: Session, make_user: MakeUser) -> User:
    """A user with a second factor."""
    user, themselves = make_user("ana"), Actor(None, "ana", "192.0.2.1")
    second_factors.set_second_factor(
        session, user, secret="s", step=0, code_hashes=["h"], actor=themselves
    )
    return user


@pytest.mark.parametrize(
    ("data", "before", "after", "said"),
    [
        ({}, {"sessions": 2}, {"sessions": 0}, "ana is logged out everywhere."),
        (
            {"second_factor": "remove"},
            {"second_factor": "••••••"},
            {"second_factor": None},
            "Second factor of ana removed.",
        ),
    ],
    ids=["log out everywhere", "remove the second factor"],
)
def test_a_user_is_logged_out_by_a_superuser(
    session: Session,
    superuser: FlaskClient,
    sign_in: SignIn,
    ana: User,
    data: dict[str, str],
    before: dict[str, object],
    after: dict[str, object],
    said: str,
) -> None:
    """The audit trail has the actor; the second factor is only removed if requested."""
    anas, page = sign_in(ana), f"/taskadmin/users/edit/?id={ana.id}"
    begin_session(ana)
    assert "Logged in on 2 browsers." in superuser.get(page).text

    answer = superuser.post(f"/taskadmin/users/sessions/?id={ana.id}", data=data)

    assert answer.location == page
    shown = superuser.get(page).text
    assert said in shown and "Not logged in." in shown
    assert anas.get("/taskadmin/profile").status_code == 302
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.before, entry.after) == ("chief", before, after)
    assert len(session.scalars(select(SecondFactor)).all()) == (not data)


def test_ones_own_are_in_the_profile(superuser: FlaskClient, chief: User) -> None:
    """The actions don't apply to oneself or unknown users."""
    for number in (chief.id, 99, "x"):
        answer = superuser.post(f"/taskadmin/users/sessions/?id={number}")
        assert answer.status_code == 404
    assert "Log out everywhere" not in superuser.get(f"/taskadmin/users/edit/?id={chief.id}").text


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_it_needs_a_token(superuser: FlaskClient, ana: User) -> None:
    """Like all forms."""
    assert superuser.post(f"/taskadmin/users/sessions/?id={ana.id}").status_code == 400
