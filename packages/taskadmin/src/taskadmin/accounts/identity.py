"""Users whom the host application signs in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import g, url_for
from werkzeug.routing import BuildError

from .. import service
from ..errors import HostUrlError, IdentityError, InvalidUsername
from ..web.redirects import is_own_path

if TYPE_CHECKING:
    from ..models import User


@dataclass(frozen=True, slots=True)
class Identity:
    """The user who is signed in to the host, with taskadmin's roles."""

    username: str
    is_superuser: bool = False
    can_review_tasks: bool = False


#: Called once per request that taskadmin serves; returns None if no user is signed in.
IdentityFunction = Callable[[], Identity | None]
#: Called with a username for each API request with a token; returns the user with the roles that the
#: host gives now, or None if there is no such user any more.
IdentityOfFunction = Callable[[str], Identity | None]
#: A page of the host: an address, the name of an endpoint, or a function that returns either.
HostUrl = str | Callable[[], str]

_SEEN = "_taskadmin_user"

log = logging.getLogger("taskadmin.accounts")


def user_of(identity: IdentityFunction) -> User | None:
    """Return the row of the host's current user, created at the first visit.

    Returns None for a user who is deactivated in taskadmin, and for a username that can't be
    stored, which is logged.

    Raises:
        IdentityError: If *identity* returned something else.
    """
    if _SEEN not in g:
        person = identity()
        g.taskadmin_host_has_user = person is not None
        setattr(g, _SEEN, None if person is None else mirrored(person))
    user: User | None = getattr(g, _SEEN)
    return user


def mirrored(person: Identity, name: str = "identity") -> User | None:
    """Return the row of a user of the host, with the host's roles; None as for ``user_of``.

    Raises:
        IdentityError: If the function *name* returned something else.
    """
    if not _is_identity(person):
        raise IdentityError(
            f"{name} returned {type(person).__name__} {person!r:.100}. Return"
            " taskadmin.Identity(name, is_superuser=…) with a name that is a str, or None."
        )
    try:
        user = service.mirror_user(
            person.username,
            is_superuser=person.is_superuser,
            can_review_tasks=person.can_review_tasks,
        )
    except InvalidUsername as error:
        log.error("identity() returned an invalid username, %.100r: %s", person.username, error)
        return None
    return user if user.is_active else None


def _is_identity(person: object) -> bool:
    return isinstance(person, Identity) and isinstance(person.username, str)


def has_other_user(identity: IdentityFunction) -> bool:
    """Return whether the host has logged in someone who is no user here."""
    return user_of(identity) is None and bool(g.get("taskadmin_host_has_user"))


def address_of(name: str, url: HostUrl) -> str:
    """Return the address of a page of the host.

    Raises:
        HostUrlError: If *url* is no endpoint; *name* says which argument it was.
    """
    try:
        address = str(url() if callable(url) else url)
        is_address = address.startswith("/") or "://" in address
        return address if is_address else url_for(address)
    except BuildError as error:
        raise HostUrlError(name, str(error.endpoint)) from error


def login_address(url: HostUrl, next_path: str) -> str:
    """Return the address of the host's login page that continues at *next_path*.

    Raises:
        HostUrlError: If *url* is no endpoint.
    """
    parts = urlsplit(address_of("login_url", url))
    to_next = urlencode({"next": next_path}, safe="/") if is_own_path(next_path) else ""
    query = "&".join(part for part in (parts.query, to_next) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))
