"""Check and generate codes of second factors, and encrypt their secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: Seconds per code, and accepted steps of clock drift (RFC 6238, 5.2).
_CODE_SECONDS, _MAX_DRIFT_STEPS = 30, 1
#: Recovery codes avoid characters that look alike. 31**25 is 123 bits, enough for an unsalted hash
#: (ASVS 5, 6.5.2).
_RECOVERY_CODE_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE_GROUPS, _GROUP_CHARACTERS, RECOVERY_CODE_COUNT = 5, 5, 10


def new_secret() -> str:
    """Return 160 random bits for an authenticator app, in base32."""
    from pyotp import random_base32  # imported here, as workers don't need it

    return random_base32()


def setup_uri(secret: str, *, username: str, site: str) -> str:
    """Return the URI in the QR code for authenticator apps."""
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=username, issuer_name=site)


def step_of(secret: str, code: str, *, at: float) -> int | None:
    """Return the time step of *code*; None if the code isn't valid at *at*, within the drift.

    Args:
        at: Seconds since 1970.
    """
    from pyotp import TOTP

    app, now = TOTP(secret), int(at) // _CODE_SECONDS
    for step in range(now - _MAX_DRIFT_STEPS, now + _MAX_DRIFT_STEPS + 1):
        if hmac.compare_digest(app.at(step * _CODE_SECONDS).encode(), _plain(code).encode()):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Return random recovery codes in the format that users see."""
    return [
        "-".join(
            "".join(secrets.choice(_RECOVERY_CODE_ALPHABET) for _ in range(_GROUP_CHARACTERS))
            for _ in range(_CODE_GROUPS)
        )
        for _ in range(RECOVERY_CODE_COUNT)
    ]


def is_recovery_code(code: str) -> bool:
    """Return whether *code* is longer than an app's code."""
    return len(_plain(code)) > 6


def hash_recovery_code(code: str) -> str:
    """Return the hash to store; case and punctuation don't matter."""
    return hashlib.sha256(_plain(code).encode()).hexdigest()


def _plain(code: str) -> str:
    # Cut long input first: a code has at most 29 characters.
    return "".join(one for one in code[:100].lower() if one.isascii() and one.isalnum())


#: What a secret is for: each purpose has keys of its own.
_SECOND_FACTOR = "taskadmin second factor"


def seal(secret: str, keys: Sequence[str | bytes], *, purpose: str = _SECOND_FACTOR) -> str:
    """Encrypt a secret with a key for *purpose* that is derived from the first of *keys*."""
    return _fernet(tuple(keys), purpose).encrypt(secret.encode()).decode()


def unseal(
    sealed: str, keys: Sequence[str | bytes], *, purpose: str = _SECOND_FACTOR
) -> str | None:
    """Decrypt a secret; return None if no key fits."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(tuple(keys), purpose).decrypt(sealed).decode()
    except InvalidToken:
        return None


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str | bytes, ...], purpose: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def derived(key: str | bytes) -> Fernet:
        own = HKDF(SHA256(), length=32, salt=None, info=purpose.encode())
        raw = key.encode() if isinstance(key, str) else key
        return Fernet(base64.urlsafe_b64encode(own.derive(raw)))

    return MultiFernet([derived(key) for key in keys])
