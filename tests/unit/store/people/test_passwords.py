"""Password rules and hashes."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from taskadmin.errors import InvalidPassword
from taskadmin.store.people import passwords


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("x" * 9, "at least 10 characters"),
        ("x" * 1025, "at most 1024 characters"),
        ("half a character \ud800", "characters that can't be stored"),
    ],
)
def test_invalid_passwords_are_refused_with_the_reason(password: str, said: str) -> None:
    """It is refused before hashing."""
    with pytest.raises(InvalidPassword, match=said):
        passwords.hash_new_password(password, names=())


@pytest.mark.parametrize(
    "password", ["a long password", "ünïcödé \U0001f600 lang genug", "kite boat lamp" * 30]
)
def test_a_password_fits_its_own_hash_only(password: str) -> None:
    """All characters count; no password matches a missing or invalid hash."""
    first, second = (passwords.hash_new_password(password, names=()) for _ in range(2))
    assert first != second
    assert passwords.verify_password(first, password)
    assert not passwords.verify_password(first, password[:-1])
    for stored in (None, "", "no hash", passwords.hash_password("another password")):
        assert not passwords.verify_password(stored, password)
    assert not passwords.verify_password(None, "nobody's password")
    assert not passwords.verify_password(first, "\ud800")


def test_a_hash_of_other_parameters_is_to_be_made_again() -> None:
    """At the next log in."""
    weaker = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x")
    assert passwords.needs_rehash(weaker)
    assert not passwords.needs_rehash(passwords.hash_password("x"))
