"""Who sends an API request: the user of a token, or whom the host says."""

from __future__ import annotations

from flask import Request

from ... import service
from ...models import User
from ...service import Bearer, Scope
from ...web.actor import visitor
from ..identity import Identity, IdentityFunction, IdentityOfFunction, mirrored

#: What every token begins with; others may be the host's.
_BEGINNING = "taskadmin_"


def api_caller(request: Request, request_identity: IdentityFunction | None = None) -> Bearer | None:
    """Return who sends an API request; None for nobody, for status 401.

    A token in the header ``Authorization: Bearer taskadmin_…`` decides alone; without one, the
    host's rule does. The session's cookie never counts: browsers send it with requests that other
    sites' pages make.

    Args:
        request_identity: The host's rule; its users get every scope, within their roles.

    Raises:
        TooManyAttempts: After too many unknown tokens from this address, for status 429.
    """
    authorization = request.authorization
    is_bearer = authorization is not None and authorization.type == "bearer"
    secret = (authorization.token or "") if authorization is not None and is_bearer else ""
    if secret.startswith(_BEGINNING):
        return service.authenticate(secret, visitor=visitor())
    person = None if request_identity is None else request_identity()
    user = None if person is None else mirrored(person, "identity_of")
    return None if user is None else Bearer(user, frozenset(Scope))


def host_user(user: User, identity_of: IdentityOfFunction | None) -> User | None:
    """Return a token's user with the host's roles of this moment; None if the host has none.

    Without *identity_of*, the roles would be those of the user's last visit: then no token is
    valid.
    """
    person: Identity | None = None if identity_of is None else identity_of(user.username)
    now = None if person is None else mirrored(person)
    return now if now is not None and now.id == user.id else None
