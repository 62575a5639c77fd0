"""Constraints of the table of processes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from taskadmin.models import Process

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "gunicorn"}, "kind"),
        ({"gone_at": MOMENT, "ending": "bored"}, "ending"),
        ({"gone_at": MOMENT}, "gone_at"),
        ({"ending": "lost"}, "gone_at"),
    ],
)
def test_a_process_is_alive_or_has_an_ending(
    session: Session, values: dict[str, Any], constraint: str
) -> None:
    """It has both time and kind of its end, or neither."""
    row = {
        "id": uuid4(),
        "kind": "worker",
        "name": "w@host",
        "host": "host",
        "pid": 1,
        "started_at": MOMENT,
        "seen_at": MOMENT,
        **values,
    }
    with pytest.raises(IntegrityError, match=f"taskadmin_process_{constraint}_check"):
        session.execute(insert(Process), [row])
