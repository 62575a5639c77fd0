"""Who sends the request."""

from __future__ import annotations

from ..access import Right, caller
from ..models.reports import MeOut
from ..operations import operation


@operation("GET", "/me", tag="me", returns=MeOut, right=Right.NONE)
def read_me() -> MeOut:
    """Return the token's user and scopes."""
    found = caller()
    return MeOut(
        id=found.user.id,
        username=found.user.username,
        is_superuser=found.user.is_superuser,
        can_review_tasks=found.user.can_review_tasks,
        scopes=sorted(found.scopes),
    )
