"""Guessing passwords and names is slow, reveals nothing, and doesn't lock users out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fixture_types import CountQueries, MakeUser, SignIn
from services.accounts import guess, log_in
from taskadmin.models import AuditEntry, Throttle, User
from taskadmin.store.people import passwords

Attempt = Callable[..., TestResponse]


def end_waits(session: Session) -> None:
    """Let a quarter of an hour pass."""
    for row in session.scalars(select(Throttle)):
        row.blocked_until -= timedelta(minutes=15)
    session.commit()


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checked passwords."""
    checked: list[str] = []
    original = PasswordHasher.verify

    def verify(self: PasswordHasher, hash_: str, password: str) -> bool:
        checked.append(password)
        return original(self, hash_, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return checked


def test_the_sixth_guess_waits_unchecked(
    app: Flask, session: Session, client: FlaskClient, ana: User, password: str, verified: list[str]
) -> None:
    """429 with Retry-After, also for the right password, until the wait is over."""
    assert guess(app) == [422] * 5 + [429]
    assert len(verified) == 5

    answer = log_in(client, "Ana", password)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "Please wait" in answer.text and "Try again in 1 sec." in answer.text
    assert len(verified) == 5
    end_waits(session)
    assert log_in(client, "Ana", password).status_code == 302
    left = session.scalars(select(Throttle.counter)).all()
    assert set(left) == {"address"}, "a log in clears the account's"


def test_an_address_waits_whatever_the_name(app: Flask, session: Session) -> None:
    """After ten guesses; refused ones aren't in the audit trail."""
    statuses = [log_in(app.test_client(), f"name{n}", "a guess").status_code for n in range(12)]

    assert statuses == [422] * 10 + [429] * 2
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 10


def test_a_log_in_does_not_use_up_the_address(
    app: Flask, session: Session, ana: User, password: str
) -> None:
    """Users may share an address, but owning an account doesn't allow more guesses."""
    for n in range(9):
        log_in(app.test_client(), f"name{n}", "a guess")

    statuses = [log_in(app.test_client(), "Ana", password).status_code for _ in range(3)]

    assert statuses == [302] * 3
    attempts = select(Throttle.attempts).where(Throttle.counter == "address")
    assert session.scalars(attempts).all() == [9]
    assert log_in(app.test_client(), "x", "a guess").status_code == 422
    assert log_in(app.test_client(), "x", "a guess").status_code == 429


def test_names_that_do_not_exist_get_the_same_answers_by_the_same_work(
    app: Flask,
    session: Session,
    ana: User,
    make_user: MakeUser,
    count_queries: CountQueries,
    verified: list[str],
) -> None:
    """Status, page, headers, statements and hashes are the same for unknown and inactive users."""
    make_user("gone", "gone's password", is_active=False)
    told: list[Any] = []
    for username in ("Ana", "gone", "bob"):
        found: list[Any] = []
        for _ in range(7):
            verified.clear()
            with count_queries() as statements:
                answer = log_in(
                    app.test_client(), username, "gone's password", address=username[:7]
                )
            page = answer.text.replace(username, "NAME")
            headers = [header for header in answer.headers if header[0] != "Set-Cookie"]
            headers = [header for header in headers if header[0] != "Content-Length"]
            found.append((answer.status_code, page, headers, statements, len(verified)))
        told.append(found)

    assert told[0] == told[1] == told[2]
    assert [one[0] for one in told[0]] == [422] * 5 + [429] * 2
    assert [one[-1] for one in told[0]] == [1] * 5 + [0] * 2


def test_registration_is_limited_by_address(app: Flask, session: Session) -> None:
    """Taken names count, too, so that they can't be enumerated."""

    def register(username: str, address: str = "192.0.2.66") -> int:
        form = {"username": username, "password": "kite boat lamp", "confirm": "kite boat lamp"}
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        return client.post("/taskadmin/register", data=form).status_code

    assert [register(f"name{n}") for n in range(7)] == [302] * 7
    assert [register("name0") for n in range(4)] == [422] * 3 + [429]
    assert register("bea") == 429
    assert register("bea", "192.0.2.67") == 302
    assert session.scalar(select(func.count()).select_from(User)) == 8


def test_guesses_at_the_current_password_wait(
    session: Session, sign_in: SignIn, ana: User, password: str
) -> None:
    """So that a stolen session can't be used to find it out."""
    client = sign_in(ana)

    def change(current: str) -> TestResponse:
        form = {"current": current, "password": "kite boat lamp", "confirm": "kite boat lamp"}
        return client.post("/taskadmin/profile", data=form)

    assert [change("a guess").status_code for _ in range(5)] == [422] * 5
    assert (change(password).status_code, change(password).headers["Retry-After"]) == (429, "1")
    end_waits(session)
    assert change(password).status_code == 302
    assert change("kite boat lamp").status_code == 302


@pytest.mark.databases("sqlite")
def test_more_hashes_than_a_process_computes_at_a_time_come_later(
    app: Flask,
    session: Session,
    client: FlaskClient,
    ana: User,
    password: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """429 with Retry-After; the attempt isn't counted, and no account is created."""
    monkeypatch.setattr(passwords, "HASH_WAIT_SECONDS", 0.01)
    form = {"username": "bea", "password": "kite boat lamp", "confirm": "kite boat lamp"}

    with passwords.hash_slot(), passwords.hash_slot():
        for answer in (
            log_in(client, "Ana", password),
            client.post("/taskadmin/register", data=form),
        ):
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
            assert "Too many users are logging in right now." in answer.text
    assert session.scalars(
        select(Throttle.attempts).where(Throttle.counter != "registration")
    ).all() == [0, 0]
    assert session.scalars(select(User.username)).all() == ["Ana"]
    assert log_in(client, "Ana", password).status_code == 302


@pytest.mark.databases("sqlite")
def test_the_page_that_asks_to_wait_leads_back(app: Flask, client: FlaskClient, ana: User) -> None:
    """To the form, without scripts."""
    guess(app)

    answer = log_in(client, "Ana", "a guess")

    assert re.search(r'<a class="btn primary" href="">Try again</a>', answer.text)
