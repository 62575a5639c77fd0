"""Second factors with ``taskadmin.service``."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from pyotp import TOTP
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeApp, MakeUser
from services.browser import begin_session
from taskadmin import service
from taskadmin.errors import UnknownUser
from taskadmin.models import AuditEntry, RecoveryCode, SecondFactor
from taskadmin.service import Actor, User
from taskadmin.service.people import existing_user
from taskadmin.service.second_factors import check_second_factor
from taskadmin.settings import Settings
from taskadmin.store.people import codes, second_factors
from taskadmin.store.people.sessions import find_session

CHIEF = Actor(None, "chief", "192.0.2.9")
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


class Clock:
    """The time, changed only by the test."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    @property
    def code(self) -> str:
        return TOTP(SECRET).at(int(self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A stopped clock."""
    made = Clock()
    monkeypatch.setattr(time, "time", made.time)
    return made


def set_up(user: User, clock: Clock) -> list[str]:
    """Give a user the second factor of SECRET, and let the code's time pass."""
    made = service.set_second_factor(user, SECRET, clock.code, actor=CHIEF)
    assert made is not None
    clock.now += 60
    return made


def check(code: str) -> bool:
    """Return whether ada's second factor accepts the code."""
    return check_second_factor(existing_user("ada"), code, actor=CHIEF)


def trail(session: Session) -> list[tuple[str, Any, Any]]:
    """Return the audit trail."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.actor, entry.before, entry.after) for entry in entries]


def test_a_second_factor_is_set_up_with_a_code(
    context: Flask, session: Session, make_user: MakeUser, clock: Clock
) -> None:
    """It must be right; nothing is stored in plain text, and sessions end."""
    make_user("ada")
    ada = existing_user("ada")
    key = begin_session(ada)

    assert service.set_second_factor(ada, SECRET, "000000", actor=CHIEF) is None
    assert not check(clock.code)
    recovery_codes = set_up(ada, clock)

    stored = [*session.execute(text("SELECT * FROM taskadmin_second_factor")).one()]
    stored += [*session.scalars(select(RecoveryCode.code_hash))]
    for secret in (SECRET, *recovery_codes):
        assert not [value for value in stored if secret in str(value)]
    assert find_session(session, key, Settings().session_limits) is None
    assert trail(session) == [("chief", {"second_factor": None}, {"second_factor": "••••••"})]


def test_a_code_is_used_once(
    context: Flask, session: Session, make_user: MakeUser, clock: Clock
) -> None:
    """Earlier codes are refused, too, including the one that set it up."""
    make_user("ada")
    first = clock.code
    service.set_second_factor(existing_user("ada"), SECRET, first, actor=CHIEF)
    assert not check(first)

    clock.now += 30
    earlier = clock.code
    clock.now += 30
    assert check(clock.code)
    assert not check(clock.code)
    assert not check(earlier)
    clock.now += 30
    assert check(clock.code)


def test_a_recovery_code_is_used_once(
    context: Flask, session: Session, make_user: MakeUser, clock: Clock
) -> None:
    """The audit trail has the number left; new codes replace all."""
    make_user("ada")
    ada = existing_user("ada")
    old = set_up(ada, clock)

    assert check(old[0].upper())
    assert not check(old[0])
    assert not check("")
    new = service.replace_recovery_codes(ada, actor=CHIEF)

    assert [check(code) for code in (old[1], new[0], new[0], new[1])] == [False, True, False, True]
    assert trail(session)[1:] == [
        ("chief", {"recovery_codes": 10}, {"recovery_codes": 9}),
        ("chief", {"recovery_codes": 9}, {"recovery_codes": 10}),
        ("chief", {"recovery_codes": 10}, {"recovery_codes": 9}),
        ("chief", {"recovery_codes": 9}, {"recovery_codes": 8}),
    ]


def test_a_code_that_comes_twice_at_once_is_used_once(
    context: Flask,
    session: Session,
    engine: Engine,
    make_user: MakeUser,
    clock: Clock,
    at_once: AtOnce,
) -> None:
    """Codes of the app and recovery codes."""
    make_user("ada")
    ada = existing_user("ada")
    recovery_codes, step = set_up(ada, clock), int(clock.now) // 30
    user_id, code_hash = ada.id, codes.hash_recovery_code(recovery_codes[0])

    def use() -> tuple[bool, bool]:
        with Session(engine) as own:
            user = own.get_one(User, user_id)
            return (
                second_factors.use_step(own, user_id, step),
                second_factors.use_recovery_code(own, user, code_hash, actor=CHIEF),
            )

    answers = at_once(use, use)

    assert [sorted(each) for each in zip(*answers, strict=True)] == [[False, True]] * 2


def test_a_second_factor_is_removed(
    context: Flask, session: Session, make_user: MakeUser, clock: Clock
) -> None:
    """With its recovery codes, by its user, a superuser or a command."""
    make_user("ada")
    ada = existing_user("ada")
    set_up(ada, clock)
    key = begin_session(ada)

    assert service.remove_second_factor("ADA", actor=CHIEF)
    assert not service.remove_second_factor("ada")

    assert not check(clock.code)
    assert session.scalars(select(RecoveryCode)).all() == []
    assert find_session(session, key, Settings().session_limits) is None
    assert trail(session)[1:] == [("chief", {"second_factor": "••••••"}, {"second_factor": None})]
    with pytest.raises(UnknownUser):
        service.remove_second_factor("nobody")


def test_the_secret_key_can_be_exchanged(
    make_app: MakeApp, session: Session, make_user: MakeUser, clock: Clock
) -> None:
    """Using a code encrypts the secret with the new key; until then, the old one is needed."""
    make_user("ada")
    with make_app(SECRET_KEY="old").app_context():
        recovery_codes = set_up(existing_user("ada"), clock)
    before = session.scalars(select(SecondFactor.secret)).one()
    session.commit()

    with make_app(SECRET_KEY="new").app_context():
        assert not check(clock.code)
        assert check(recovery_codes[0])
    with make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]).app_context():
        assert check(clock.code)
    assert session.scalars(select(SecondFactor.secret)).one() != before
    session.commit()
    clock.now += 60
    with make_app(SECRET_KEY="new").app_context():
        assert check(clock.code)
