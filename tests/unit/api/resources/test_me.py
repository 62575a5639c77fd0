"""Who sends a request."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixture_types import MakeUser
from services.api.caller import Caller
from taskadmin.models import User
from taskadmin.service import Scope

pytestmark = pytest.mark.databases("sqlite")


def test_a_program_can_ask_what_it_may_do(
    make_user: MakeUser, make_caller: Callable[[User, Scope], Caller]
) -> None:
    """Also one of an ordinary user."""
    user = make_user("rita", can_review_tasks=True)

    assert make_caller(user, Scope.RUN)("GET", "/me").json == {
        "id": user.id,
        "username": "rita",
        "is_superuser": False,
        "can_review_tasks": True,
        "scopes": ["read", "run"],
    }
