"""Find secrets that are published, guessable or too short."""

from __future__ import annotations

from collections.abc import Mapping

#: The SECRET_KEY of ``dockr/.env.example``, which is public.
EXAMPLE_SECRET_KEY = "3f1c9a52-7d0e-4b6a-9c41-58e2d7b0a6f3"  # noqa: S105 - refused below
#: Length of a UUID without dashes. Flask signs sessions with this key.
SHORTEST_SECRET_KEY = 32
#: Shorter, because these passwords can be guessed only online, on an internal network.
SHORTEST_PASSWORD = 10
#: Variables of passwords, with those of their usernames.
_PASSWORDS = {"POSTGRES_PASSWORD": "POSTGRES_USER", "RABBITMQ_PASSWORD": "RABBITMQ_USERNAME"}
#: Earlier values of SECRET_KEY.
FALLBACKS = "SECRET_KEY_FALLBACKS"
_ADVICE = {FALLBACKS: "leave that one out"}
#: Placeholders from examples, images and tutorials.
KNOWN = {
    *("postgres", "postgresql", "rabbitmq", "guest", "flask_test", "taskadmin", "flask", "celery"),
    *("password", "passwort", "passw0rd", "secret", "secret_key", "secretkey", "supersecret"),
    *("admin", "root", "user", "test", "example", "dev", "development", "default"),
    *("changeme", "change-me", "change_me", "changethis", "change-this", "replaceme", "todo"),
    *("123456", "12345678", "1234567890", "qwerty", "letmein"),
}


def old_secret_keys(environ: Mapping[str, str]) -> list[str]:
    """Return the earlier values of SECRET_KEY whose signatures stay valid, newest first.

    SECRET_KEY_FALLBACKS lists them, separated by commas.
    """
    return [key.strip() for key in environ.get(FALLBACKS, "").split(",") if key.strip()]


def weak_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each weak secret in *environ*, without its value."""
    checks = (
        ("SECRET_KEY", environ.get("SECRET_KEY", ""), SHORTEST_SECRET_KEY, ""),
        # Anyone who knows an earlier key can sign cookies while it is accepted.
        *((FALLBACKS, key, SHORTEST_SECRET_KEY, "") for key in old_secret_keys(environ)),
        *(
            (name, environ.get(name, ""), SHORTEST_PASSWORD, environ.get(user, ""))
            for name, user in _PASSWORDS.items()
        ),
    )
    found = []
    for name, value, shortest, user in checks:
        if value and (weakness := _weakness(value, shortest, user)):
            found.append(f"{name} {weakness}: {_ADVICE.get(name, 'set a random one')}.")
    return found


def _weakness(value: str, shortest: int, user: str) -> str | None:
    if value == EXAMPLE_SECRET_KEY or value.lower() in KNOWN:
        return "is a well-known example"
    if value == user:
        return "equals the username"
    if len(value) < shortest:
        return f"has fewer than {shortest} characters"
    if len(set(value)) < 5:  # "xxxxxxxx"
        return "repeats a few characters"
    return None
