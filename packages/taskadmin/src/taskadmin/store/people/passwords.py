"""Hash passwords with Argon2id, a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from ...errors import HashesBusy, InvalidPassword
from ...translation.texts import gettext
from .password_strength import check_strength

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD_LENGTH = 10
#: Nothing is cut off; this only keeps a request from hashing megabytes.
MAX_PASSWORD_LENGTH = 1024
#: Passes, KiB and threads of a hash: 84 ms of one processor at 2.5 GHz. OWASP's Password Storage
#: Cheat Sheet requires at least one pass with this much memory. RFC 9106's t=3, m=64 MiB, p=4
#: would take 172 ms and block four processors.
TIME_COST, MEMORY_COST, PARALLELISM = 2, 47_104, 1
#: Concurrent hashes per process, and seconds that others wait for a slot.
MAX_CONCURRENT_HASHES, HASH_WAIT_SECONDS = 2, 1.0
#: When clients should try again if no slot is free.
_RETRY_AFTER = timedelta(seconds=3)
_slots = BoundedSemaphore(MAX_CONCURRENT_HASHES)


@cache
def _hasher() -> PasswordHasher:
    """Import argon2 and its C library at the first log in: workers never need it."""
    from argon2 import PasswordHasher

    return PasswordHasher(TIME_COST, MEMORY_COST, PARALLELISM)


@contextmanager
def hash_slot() -> Iterator[None]:
    """Limit concurrent hashes: wait for a slot, and release it at the end.

    Raises:
        HashesBusy: If no slot is free within ``HASH_WAIT_SECONDS``.
    """
    if not _slots.acquire(timeout=HASH_WAIT_SECONDS):
        raise HashesBusy(retry_after=_RETRY_AFTER)
    try:
        yield
    finally:
        _slots.release()


@cache
def _nobodys_hash() -> str:
    """Return a hash to verify for unknown usernames, so that timing doesn't reveal them.

    Not computed at import, because that would double the import time.
    """
    return _hasher().hash("nobody's password")


def check_form(password: str) -> None:
    """Refuse a password that is too short, too long or can't be stored.

    Raises:
        InvalidPassword: With a sentence for the person who chose it.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidPassword(
            gettext(
                "A password must have at least %(number)s characters.", number=MIN_PASSWORD_LENGTH
            )
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise InvalidPassword(
            gettext(
                "A password can have at most %(number)s characters.", number=MAX_PASSWORD_LENGTH
            )
        )
    try:
        password.encode()
    except UnicodeEncodeError:
        raise InvalidPassword(
            gettext("This password contains characters that can't be stored.")
        ) from None


def hash_password(password: str) -> str:
    """Return the hash to store, including its parameters and salt."""
    with hash_slot():
        return _hasher().hash(password)


def hash_new_password(password: str, *, names: Iterable[str]) -> str:
    """Check a new password and return its hash.

    Args:
        names: Likely guesses, such as the user's name and the site's.

    Raises:
        InvalidPassword: With a sentence for the person who chose it.
        HashesBusy: If too many passwords are being checked.
    """
    check_form(password)
    with hash_slot():  # takes about as long as the hash
        check_strength(password, names)
        return _hasher().hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether *password* matches; takes equally long for users without a hash."""
    from argon2.exceptions import InvalidHashError, VerificationError  # see _hasher

    try:
        with hash_slot():
            nobodys_hash = _nobodys_hash()  # first, whether or not the user exists
            matches = _hasher().verify(password_hash or nobodys_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return matches and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Return whether the hash uses outdated parameters."""
    return _hasher().check_needs_rehash(password_hash)
