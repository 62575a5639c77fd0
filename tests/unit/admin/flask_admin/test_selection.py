"""The rows of an action."""

from __future__ import annotations

import pytest
from flask import Flask

from taskadmin.admin.flask_admin.selection import chosen_ids, is_confirmed, is_for_all


@pytest.mark.parametrize(
    ("query", "form", "ids", "for_all"),
    [
        ({}, {}, [2, 3], False),
        ({}, {"all": "yes"}, [7, 8], True),
        ({"only": "5"}, {"all": "yes"}, [5], False),
        # Confirmed ids count, independent of current matches and selections.
        ({"only": "5"}, {"all": "yes", "ids": "9.1.x.9"}, [1, 9], False),
        ({"only": "-1"}, {}, [], False),
        ({}, {"ids": "101.100"}, [100], False),
    ],
)
def test_rows_are_named_asked_for_or_ticked(
    query: dict[str, str], form: dict[str, str], ids: list[int], for_all: bool
) -> None:
    """In order, without impossible ids."""
    with Flask("host").test_request_context(method="POST", query_string=query, data=form):
        assert chosen_ids(["3", "2", "", "two"], lambda: [8, 7], largest=100) == ids
        assert is_for_all() is for_all
        assert not is_confirmed()
