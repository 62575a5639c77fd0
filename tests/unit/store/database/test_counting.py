"""Counts with a limit."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.models import User
from taskadmin.store.database.counting import count_up_to


@pytest.mark.parametrize(("most", "counted"), [(2, 2), (3, 3), (9, 3)])
def test_no_more_rows_are_counted_than_asked_for(
    session: Session, make_user: MakeUser, most: int, counted: int
) -> None:
    """Two of three rows are counted."""
    for name in ("ada", "bob", "cy"):
        make_user(name)
    assert session.scalar(select(count_up_to(select(User.id), most))) == counted
