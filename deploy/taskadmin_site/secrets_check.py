"""Secrets that are known, guessable or short."""

from __future__ import annotations

from collections.abc import Mapping

#: The SECRET_KEY of ``dockr/.env.example``: everyone can read it.
EXAMPLE_SECRET_KEY = "3f1c9a52-7d0e-4b6a-9c41-58e2d7b0a6f3"  # noqa: S105 - the point of it
#: As many characters as a UUID without its dashes: what Flask signs sessions with.
SHORTEST_SECRET_KEY = 32
#: Passwords are asked of machines on one network, one at a time: less will do.
SHORTEST_PASSWORD = 10
#: What examples, images and tutorials put where a secret belongs.
KNOWN = {
    *("postgres", "postgresql", "rabbitmq", "guest", "flask_test", "taskadmin", "flask", "celery"),
    *("password", "passwort", "passw0rd", "secret", "secret_key", "secretkey", "supersecret"),
    *("admin", "root", "user", "test", "example", "dev", "development", "default"),
    *("changeme", "change-me", "change_me", "changethis", "change-this", "replaceme", "todo"),
    *("123456", "12345678", "1234567890", "qwerty", "letmein"),
}


def weak_secrets(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each secret of *environ* that others may know or guess; never its value."""
    checks = (
        ("SECRET_KEY", SHORTEST_SECRET_KEY, ""),
        ("POSTGRES_PASSWORD", SHORTEST_PASSWORD, environ.get("POSTGRES_USER", "")),
        ("RABBITMQ_PASSWORD", SHORTEST_PASSWORD, environ.get("RABBITMQ_USERNAME", "")),
    )
    found = []
    for name, shortest, user in checks:
        value = environ.get(name, "")
        if value and (weakness := _weakness(value, shortest, user)):
            found.append(f"{name} {weakness}: set a random one.")
    return found


def _weakness(value: str, shortest: int, user: str) -> str | None:
    if value == EXAMPLE_SECRET_KEY or value.lower() in KNOWN:
        return "is an example's, which everyone knows"
    if value == user:
        return "is the user's name"
    if len(value) < shortest:
        return f"has fewer than {shortest} characters"
    if len(set(value)) < 5:  # "xxxxxxxx"
        return "repeats a few characters"
    return None
