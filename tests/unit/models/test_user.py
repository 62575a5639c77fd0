"""Roles of users."""

from __future__ import annotations

import pytest

from taskadmin.models import User
from taskadmin.models.user import new_session_nonce


@pytest.mark.parametrize(
    ("roles", "may_manage", "may_review"),
    [
        ({}, False, False),
        ({"can_review_tasks": True}, False, True),
        ({"is_superuser": True}, True, True),
        ({"is_superuser": True, "can_review_tasks": True}, True, True),
    ],
)
def test_roles_count_while_the_user_is_active(
    roles: dict[str, bool], may_manage: bool, may_review: bool
) -> None:
    """Superusers can review, too; inactive users can do nothing, not even log in."""
    columns = {"is_superuser": False, "can_review_tasks": False, **roles}
    active, inactive = User(**columns, is_active=True), User(**columns, is_active=False)

    assert (active.may_manage, active.may_review) == (may_manage, may_review)
    assert (inactive.may_manage, inactive.may_review) == (False, False)
    assert (active.is_authenticated, inactive.is_authenticated) == (True, False)


def test_nonces_differ() -> None:
    """A new one ends all sessions, so it must differ from all earlier ones."""
    assert len({new_session_nonce() for _ in range(100)}) == 100
