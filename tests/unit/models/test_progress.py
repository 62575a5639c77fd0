"""Constraints of the table of progress."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from taskadmin.models import RunProgress


@pytest.mark.parametrize(
    ("progress", "is_refused"),
    [(None, False), (0.0, False), (1.0, False), (-0.1, True), (1.1, True)],
)
def test_progress_is_a_fraction(session: Session, progress: float | None, is_refused: bool) -> None:
    """From 0 to 1, or NULL."""
    row = {"run_id": 1, "progress": progress, "updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    if is_refused:
        with pytest.raises(IntegrityError, match="taskadmin_run_progress_progress_check"):
            session.execute(insert(RunProgress), [row])
    else:
        session.execute(insert(RunProgress), [row])
