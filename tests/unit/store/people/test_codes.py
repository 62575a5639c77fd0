"""Codes of second factors, and their encrypted secrets."""

from __future__ import annotations

import pytest
from pyotp import TOTP

from taskadmin.store.people import codes

#: The test key of RFC 6238 (appendix B), and its codes with six digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924")]
)
def test_codes_are_those_of_the_standard(at: float, code: str) -> None:
    """They are those of authenticator apps, and valid for 30 s."""
    assert codes.step_of(RFC_SECRET, code, at=at) == at // 30


@pytest.mark.parametrize(
    ("seconds", "right"),
    [(-61, False), (-31, False), (-30, True), (0, True), (29, True), (59, True), (60, False)],
)
def test_a_devices_clock_may_be_one_step_off(seconds: int, right: bool) -> None:
    """30 s in either direction."""
    secret, at = codes.new_secret(), 1_800_000_000
    assert (codes.step_of(secret, TOTP(secret).at(at), at=at + seconds) is not None) == right


@pytest.mark.parametrize("typed", ["005924", " 005 924 ", "00-59-24"])
def test_codes_may_be_typed_in_groups(typed: str) -> None:
    """As apps display them."""
    assert codes.step_of(RFC_SECRET, typed, at=1234567890) is not None


@pytest.mark.parametrize("typed", ["", "5924", "0059240", "٠٠٥٩٢٤", "005925", "x" * 10_000])
def test_other_texts_are_no_codes(typed: str) -> None:
    """Texts that resemble codes aren't accepted."""
    assert codes.step_of(RFC_SECRET, typed, at=1234567890) is None


def test_an_app_gets_all_it_needs_by_the_qr_code() -> None:
    """It contains the user and the site."""
    uri = codes.setup_uri(RFC_SECRET, username="Áda", site="My jobs")
    assert uri == f"otpauth://totp/My%20jobs:%C3%81da?secret={RFC_SECRET}&issuer=My%20jobs"


def test_recovery_codes_are_long_and_differ() -> None:
    """They have 123 bits; case and punctuation don't change their hashes."""
    made = codes.new_recovery_codes()
    assert len(set(made)) == 10
    assert all(len(code) == 29 for code in made)
    hashes = {codes.hash_recovery_code(typed) for typed in (made[0], made[0].upper())}
    hashes |= {codes.hash_recovery_code(f" {made[0].replace('-', ' ')}")}
    assert len(hashes) == 1
    assert codes.hash_recovery_code(made[1]) not in hashes


def test_secrets_are_encrypted_and_keys_can_be_exchanged() -> None:
    """The newest key encrypts; earlier ones still decrypt."""
    sealed = codes.seal(RFC_SECRET, ["old key"])
    assert RFC_SECRET not in sealed
    assert codes.seal(RFC_SECRET, ["old key"]) != sealed
    assert codes.unseal(sealed, ["old key"]) == RFC_SECRET
    assert codes.unseal(sealed, ["new key", b"old key"]) == RFC_SECRET
    assert codes.unseal(sealed, ["new key"]) is None
    assert codes.unseal("nothing that was encrypted", ["old key"]) is None
