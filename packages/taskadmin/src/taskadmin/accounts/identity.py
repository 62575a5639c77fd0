"""People whom the host signs in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g

from ..errors import InvalidUsername
from ..state import get_state
from ..store import users

if TYPE_CHECKING:
    from ..models import User


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is signed in to the host, and what taskadmin lets this person do."""

    username: str
    is_superuser: bool = False
    can_review_tasks: bool = False


#: Called once in each request that taskadmin serves; None means nobody is signed in.
IdentityFunction = Callable[[], Identity | None]

_SEEN = "_taskadmin_user"

log = logging.getLogger("taskadmin.accounts")


def user_of(identity: IdentityFunction) -> User | None:
    """The row that taskadmin keeps for the person whom the host signed in, made on first sight.

    Somebody who was deactivated in taskadmin is nobody here; so is somebody whose name can't
    be stored, which the log says.
    """
    if _SEEN not in g:
        person = identity()
        user = None
        if person is not None:
            try:
                user = users.mirror_user(
                    get_state().session,
                    person.username,
                    is_superuser=person.is_superuser,
                    can_review_tasks=person.can_review_tasks,
                )
            except InvalidUsername as error:
                log.error(
                    "identity() returned the username %.100r, which can't be used: %s",
                    person.username,
                    error,
                )
        setattr(g, _SEEN, user)
    user = getattr(g, _SEEN)
    return user if user is not None and user.is_active else None
