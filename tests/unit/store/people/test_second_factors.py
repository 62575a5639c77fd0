"""Second factors: codes work once, and changes are in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.models import AuditEntry, User
from taskadmin.store.people import second_factors
from taskadmin.store.people.audit import Actor

ADA = Actor(None, "ada", "192.0.2.1")


@pytest.fixture
def ada(session: Session, make_user: MakeUser) -> User:
    """A user with a second factor and two recovery codes."""
    user = make_user("ada")
    second_factors.set_second_factor(
        session, user, secret="sealed", step=5, code_hashes=["one", "two"], actor=ADA
    )
    return user


def test_setting_it_again_replaces_everything(session: Session, ada: User) -> None:
    """Sessions that began with the old one end."""
    nonce = ada.session_nonce

    second_factors.set_second_factor(
        session, ada, secret="other", step=9, code_hashes=["three"], actor=ADA
    )

    factor = second_factors.find_second_factor(session, ada.id)
    assert factor is not None
    session.refresh(factor)
    assert (factor.secret, factor.last_step) == ("other", 9)
    assert second_factors.count_recovery_codes(session, ada.id) == 1
    assert ada.session_nonce != nonce


@pytest.mark.parametrize(("step", "used"), [(4, False), (5, False), (6, True), (60, True)])
def test_a_time_step_is_used_once(session: Session, ada: User, step: int, used: bool) -> None:
    """Earlier steps can't be used either."""
    assert second_factors.use_step(session, ada.id, step) is used
    assert second_factors.use_step(session, ada.id, step) is False


def test_a_recovery_code_is_used_once(session: Session, ada: User, make_user: MakeUser) -> None:
    """Only by its own user."""
    bob = make_user("bob")

    used = [
        second_factors.use_recovery_code(session, user, "one", actor=ADA)
        for user in (bob, ada, ada)
    ]

    assert used == [False, True, False]
    assert second_factors.count_recovery_codes(session, ada.id) == 1


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (
            lambda session, ada: second_factors.remove_second_factor(session, ada, actor=ADA),
            {"second_factor": "••••••"},
            {"second_factor": None},
        ),
        (
            lambda session, ada: second_factors.use_recovery_code(session, ada, "one", actor=ADA),
            {"recovery_codes": 2},
            {"recovery_codes": 1},
        ),
        (
            lambda session, ada: second_factors.replace_recovery_codes(
                session, ada, ["a", "b", "c"], actor=ADA
            ),
            {"recovery_codes": 2},
            {"recovery_codes": 3},
        ),
    ],
    ids=["removed", "code used", "codes replaced"],
)
def test_changes_are_in_the_trail(
    session: Session,
    ada: User,
    change: Callable[[Session, User], Any],
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    """The entries contain no secrets."""
    change(session, ada)

    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.subject, entry.before, entry.after) == ("ada", "ada", before, after)


def test_without_one_there_is_nothing_to_remove_or_use(
    session: Session, make_user: MakeUser
) -> None:
    """Nothing is recorded."""
    bob = make_user("bob")

    assert second_factors.find_second_factor(session, bob.id) is None
    assert second_factors.count_recovery_codes(session, bob.id) == 0
    assert not second_factors.remove_second_factor(session, bob, actor=ADA)
    assert not second_factors.use_step(session, bob.id, 1)
    assert session.scalars(select(AuditEntry)).all() == []


def test_a_secret_is_encrypted_again(session: Session, ada: User) -> None:
    """Only the encryption changes."""
    second_factors.reseal(session, ada.id, "with a new key")

    factor = second_factors.find_second_factor(session, ada.id)
    assert factor is not None
    session.refresh(factor)
    assert (factor.secret, factor.last_step) == ("with a new key", 5)
