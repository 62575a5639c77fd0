"""Set up the second factor, replace its recovery codes, turn it off."""

from __future__ import annotations

import html
import re
import time
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeUser, SignIn
from services.accounts import (
    LOGIN,
    SECRET,
    SETUP,
    WRONG_CODE,
    code_of,
    is_signed_in,
    log_in,
    shown_secret,
)
from services.browser import hidden_fields
from services.pages import field_errors
from taskadmin.models import RecoveryCode, SecondFactor, User, UserSession
from taskadmin.store.database.clock import now
from taskadmin.store.people import codes

pytestmark = pytest.mark.databases("sqlite")


def shown_codes(page: str) -> list[str]:
    """Return the recovery codes on a page."""
    return re.findall(r"<li>([a-z2-9-]{29})</li>", page)


def test_a_second_factor_is_set_up_in_the_profile(
    session: Session, sign_in: SignIn, ana: User
) -> None:
    """Key and QR code, then a code of the app, then recovery codes, shown once."""
    client, other = sign_in(ana), sign_in(ana)
    page = client.get(SETUP).text
    secret, sent = shown_secret(page), hidden_fields(page)
    assert '<svg width="' in page and "style=" not in page

    refused = client.post(SETUP, data={**sent, "code": "000000"})
    assert refused.status_code == 422
    assert shown_secret(refused.text) == secret
    assert session.scalars(select(SecondFactor)).all() == []
    done = client.post(SETUP, data={**hidden_fields(refused.text), "code": code_of(secret)})

    made = shown_codes(done.text)
    assert (done.status_code, len(made)) == (200, 10)
    assert done.headers["Cache-Control"] == "no-store"
    assert set(session.scalars(select(RecoveryCode.code_hash))) == {
        codes.hash_recovery_code(code) for code in made
    }
    assert [is_signed_in(client), is_signed_in(other)] == [True, False]
    profile = client.get("/taskadmin/profile").text
    assert "10 recovery codes left." in profile
    assert secret not in profile and not shown_codes(profile)
    assert client.get(SETUP).location == "/taskadmin/profile"


@pytest.mark.parametrize("whose", ["nobody's", "another's", "old"])
def test_only_a_key_that_was_shown_is_set(
    session: Session,
    sign_in: SignIn,
    ana: User,
    make_user: MakeUser,
    whose: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To this user, in the last half hour; otherwise, another one is shown."""
    client = sign_in(ana)
    page = (sign_in(make_user("bob")) if whose == "another's" else client).get(SETUP).text
    secret, sent = shown_secret(page), hidden_fields(page)["secret"]
    if whose == "nobody's":
        secret = sent = SECRET
    if whose == "old":
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 31 * 60)

    answer = client.post(SETUP, data={"secret": sent, "code": code_of(secret)})

    assert answer.location == SETUP
    assert "This took too long: scan the new QR code." in html.unescape(client.get(SETUP).text)
    assert session.scalars(select(SecondFactor)).all() == []


def test_recovery_codes_are_replaced(
    session: Session, sign_in: SignIn, ana: User, recovery_codes: list[str]
) -> None:
    """The new ones are shown once."""
    done = sign_in(ana).post(f"{SETUP}/codes")

    made = shown_codes(done.text)
    assert (len(made), set(made) & set(recovery_codes)) == (10, set())
    assert "These codes replace the earlier ones" in done.text


def test_a_second_factor_is_turned_off(
    session: Session, sign_in: SignIn, ana: User, password: str, recovery_codes: list[str]
) -> None:
    """Other sessions end, and the password is enough from then on."""
    client, other = sign_in(ana), sign_in(ana)

    assert client.post(f"{SETUP}/remove").location == "/taskadmin/profile"

    assert "The second factor is off." in client.get("/taskadmin/profile").text
    assert [is_signed_in(client), is_signed_in(other)] == [True, False]
    assert log_in(other, "Ana", password).location == "/taskadmin/"
    assert client.post(f"{SETUP}/remove").location == "/taskadmin/profile"


@pytest.mark.parametrize("path", [SETUP, f"{SETUP}/codes", f"{SETUP}/remove"])
def test_changes_ask_for_the_password_and_a_code(
    session: Session, sign_in: SignIn, ana: User, password: str, path: str, request: object
) -> None:
    """If they were entered more than 15 minutes ago, and a second factor is set."""
    has_one = path != SETUP
    if has_one:
        assert isinstance(request, pytest.FixtureRequest)
        request.getfixturevalue("recovery_codes")
    client = sign_in(ana)
    moment = now(session) - timedelta(minutes=16)
    session.execute(update(UserSession).values(confirmed_at=moment))
    session.commit()

    asked = client.post(path) if has_one else client.get(path)

    assert "Confirm it&#39;s you" in asked.text
    assert ('name="confirm_code"' in asked.text) == has_one
    answer = {"confirm_password": password, "confirm_next": "post" if has_one else "get"}
    if has_one:
        refused = client.post(path, data={**answer, "confirm_code": "000000"})
        assert field_errors(refused.text) == [("confirm_code", WRONG_CODE)]
        wrong = {**answer, "confirm_password": "wrong", "confirm_code": code_of()}
        assert field_errors(client.post(path, data=wrong).text) == [
            ("confirm_password", "Wrong password.")
        ]
    done = client.post(path, data={**answer, "confirm_code": code_of()})
    assert "Confirm it&#39;s you" not in done.text
    assert done.status_code in (200, 302)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.parametrize("path", [f"{SETUP}/codes", f"{SETUP}/remove"])
def test_buttons_need_their_token(
    session: Session, sign_in: SignIn, client: FlaskClient, ana: User, path: str
) -> None:
    """And a logged-in user."""
    assert sign_in(ana).post(path).status_code == 400
    assert client.post(path).location == f"{LOGIN}?next=/taskadmin/profile"
