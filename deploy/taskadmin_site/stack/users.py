"""Usernames of the services in the database and the broker."""

from __future__ import annotations

#: Stacks that share a server would need different prefixes.
PREFIX = "taskadmin_"


def user_name(service: str) -> str:
    """Return the username of a service."""
    return f"{PREFIX}{service}"
