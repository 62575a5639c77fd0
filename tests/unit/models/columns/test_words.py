"""States and kinds in SQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ColumnElement, column

from taskadmin.models import RunState
from taskadmin.models.columns.words import Word

STATE: ColumnElement[Any] = column("state", Word(16))


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        (STATE == RunState.FAILED, "state = 'failed'"),
        (STATE != RunState.FAILED, "state != 'failed'"),
        (STATE.in_([RunState.QUEUED, RunState.RUNNING]), "state IN ('queued', 'running')"),
        (STATE.not_in({RunState.QUEUED}), "(state NOT IN ('queued'))"),
        # Users' texts stay parameters.
        (STATE == "failed", "state = :state_1"),
        (STATE.is_(None), "state IS NULL"),
    ],
)
def test_members_of_enumerations_are_constants(condition: ColumnElement[Any], sql: str) -> None:
    """PostgreSQL matches a partial index's predicate only with constants."""
    assert str(condition) == sql
