"""The launchers' shared state."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from taskadmin.models import LedgerState


def test_there_is_one_row(session: Session) -> None:
    """Migrations insert it, and the table accepts no other."""
    assert session.scalars(select(LedgerState.id)).all() == [1]
    with pytest.raises(IntegrityError, match="taskadmin_state_one_row_check"):
        session.execute(insert(LedgerState), [{"id": 2}])
