"""Passwords: Argon2id with the library's current recommendation (RFC 9106)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..texts import gettext

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 10
#: Nothing is cut off; this only keeps a request from hashing megabytes.
MAX_LENGTH = 4096


@cache
def _hasher() -> PasswordHasher:
    """Loaded with its C library when somebody logs in: workers know no passwords."""
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Verified for names that don't exist, so that the time doesn't tell which ones do.

    Not made at import: it takes as long as everything else that is imported.
    """
    return _hasher().hash("nobody's password")


def check_new_password(password: str) -> None:
    """Refuse a password that can't be set.

    Raises:
        ValueError: With a sentence for the person who chose it.
    """
    if len(password) < MIN_LENGTH:
        raise ValueError(
            gettext("A password has at least %(number)s characters.", number=MIN_LENGTH)
        )
    if len(password) > MAX_LENGTH:
        raise ValueError(
            gettext("A password has at most %(number)s characters.", number=MAX_LENGTH)
        )
    try:
        password.encode()
    except UnicodeEncodeError:
        raise ValueError(gettext("This password holds characters that can't be stored.")) from None


def hash_password(password: str) -> str:
    """The hash to store, with its parameters and salt."""
    return _hasher().hash(password)


def hash_new_password(password: str) -> str:
    """The hash of a password that may be set.

    Raises:
        ValueError: With a sentence for the person who chose it.
    """
    check_new_password(password)
    return hash_password(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether *password* is the one that was hashed; as slow for people without a hash."""
    from argon2.exceptions import InvalidHashError, VerificationError  # see _hasher

    nobodys_hash = _nobodys_hash()  # by whoever comes first, known or not
    try:
        matches = _hasher().verify(password_hash or nobodys_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return matches and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with older parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)
