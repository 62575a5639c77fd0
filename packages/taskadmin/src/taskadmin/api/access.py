"""Who may use an operation: a token's scope, and its user's roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flask import g, request

from .. import service
from ..models import User
from ..service import Actor, Bearer, Scope
from ..state import get_state
from ..web.actor import visitor
from .errors import Refused

_REALM = 'Bearer realm="taskadmin"'


class Right(StrEnum):
    """The roles that an operation needs, as those of pages."""

    #: Everyone.
    NONE = "none"
    #: Reviewers and superusers.
    REVIEW = "review"
    #: Superusers.
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an operation needs."""

    scope: Scope
    right: Right

    def allows(self, user: User) -> bool:
        """Whether the user's roles suffice."""
        if self.right == Right.NONE:
            return user.is_active
        return user.may_manage if self.right == Right.MANAGE else user.may_review


def admit(rule: Rule) -> None:
    """Identify the caller, or refuse.

    Raises:
        Refused: With 401 or 403.
        TooManyAttempts: After too many unknown tokens from this address.
    """
    caller = get_state().api_caller(request)
    if caller is None:
        given = request.authorization is not None
        raise Refused(
            401,
            detail="This token isn't valid: it is unknown, or has expired."
            if given
            else "Send a token: Authorization: Bearer taskadmin_…",
            headers={
                "WWW-Authenticate": f'{_REALM}, error="invalid_token"' if given else _REALM,
            },
        )
    g.taskadmin_api_caller = caller
    if not rule.allows(caller.user):
        service.note_refusal(actor(), request.path)
        raise Refused(403, detail="The token's user doesn't have access to this.")
    if rule.scope not in caller.scopes:
        challenge = f'{_REALM}, error="insufficient_scope", scope="{rule.scope}"'
        raise Refused(
            403,
            "insufficient-scope",
            detail=f"The token lacks the scope {rule.scope}.",
            headers={"WWW-Authenticate": challenge},
        )


def caller() -> Bearer:
    """Return who sends this request; only used after ``admit``."""
    found: Bearer = g.taskadmin_api_caller
    return found


def actor() -> Actor:
    """Return the caller for the audit trail."""
    return visitor().named(caller().user)
