"""Secrets that are published, guessable or short."""

from __future__ import annotations

import logging

import pytest

from taskadmin import ConfigurationError
from taskadmin_site.config import from_environment

#: Variables that production requires, apart from strong secrets.
PRODUCTION = {"TASKADMIN_ENV": "production", "TRUSTED_HOSTS": "tasks.example.org"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SECRET_KEY", "tooshort", "has fewer than 32 characters"),
        ("SECRET_KEY", "ab" * 20, "repeats a few characters"),
        ("SECRET_KEY", "ChangeMe", "is a well-known example"),
        ("POSTGRES_PASSWORD", "pia", "equals the username"),
        ("RABBITMQ_PASSWORD", "guest", "is a well-known example"),
        ("RABBITMQ_PASSWORD", "k3dfq8", "has fewer than 10 characters"),
        # Cookies signed with it are valid, too.
        ("SECRET_KEY_FALLBACKS", f"{'ab1-_' * 7},changeme", "is a well-known example"),
    ],
)
def test_weak_secret_stops_production(
    environment: dict[str, str], name: str, value: str, why: str
) -> None:
    """A guessable secret is an error that doesn't repeat it."""
    weak = environment | PRODUCTION | {name: value}

    with pytest.raises(ConfigurationError) as raised:
        from_environment(weak)

    fix = "leave that one out" if name.endswith("FALLBACKS") else "set a random one"
    assert str(raised.value).endswith(f"\n  {name} {why}: {fix}.")


def test_strong_secrets_give_no_warning(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged if all secrets are strong."""
    with caplog.at_level(logging.DEBUG):
        from_environment(environment | PRODUCTION)

    assert caplog.records == []
