"""Passwords that are too easy to guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskadmin.errors import InvalidPassword
from taskadmin.store.people.password_strength import check_strength

NAMES = ("ana-marija@example.org", "Nightly Jobs")


def is_refused(password: str) -> bool:
    """Return whether the password is refused."""
    try:
        check_strength(password, NAMES)
    except InvalidPassword:
        return True
    return False


@pytest.mark.parametrize(
    "password",
    [
        *("1234567890", "aaaaaaaaaa", "password123", "P@ssw0rd2024", "qwertyuiop[]", "!@#$%^&*()"),
        *("iloveyou123", "Summer2024!", "20201010" * 3, "letmein2024!", "x" * 300 + "y"),
        *("Ana-Marija@Example.org", "anamarija1", "ana-marija1", "nightlyjobs", "NightlyJobs1"),
        *("anamarija anamarija", "nightly-anamarija-jobs", "Jobs!ana-marija?Nightly"),
        *("ana-marijaNightly Jobs", "администратор"[:6] * 2),
    ],
)
def test_easily_guessed_passwords_are_refused(password: str) -> None:
    """Common passwords, patterns, dates, and the names of user and site."""
    assert is_refused(password)


@pytest.mark.parametrize(
    "password",
    [
        *("correct horse battery", "kite boat lamp", "4f9d2kq8zzTw", "x7mq2-kd93w-pp4tz-r8yhn"),
        *(
            "nightly kite boat lamp",
            "мойпарольдлинный",
            "ünïcödé lang genug",
            "a sentence that nobody says " * 20,
        ),
        *("4@8({[<369&#!1/|0$5+7%2" * 40, "😀🐎🚀🧠🌷🕌💻🎃🚗🔑🌍"),
    ],
)
def test_hard_to_guess_passwords_are_accepted(password: str) -> None:
    """In any script, also with substitutes for letters."""
    assert not is_refused(password)


@given(st.text(min_size=10, max_size=60))
def test_any_text_is_taken_or_refused(password: str) -> None:
    """No password causes a server error."""
    assert is_refused(password) in (True, False)
