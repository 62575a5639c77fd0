"""Constraints of the table of launches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from taskadmin.models import Launch

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "slot"}, "slot_of_kind"),
        ({"kind": "manual", "slot": MOMENT}, "slot_of_kind"),
        ({"kind": "whim"}, "kind"),
        ({"state": "lost"}, "state"),
        ({"state": "closed"}, "closed_at"),
        ({"closed_at": MOMENT}, "closed_at"),
    ],
)
def test_a_launch_is_in_a_state_that_makes_sense(
    session: Session, values: dict[str, Any], constraint: str
) -> None:
    """Slots have their time, closed launches their end."""
    launch = {"kind": "manual", "state": "opening", "opened_at": MOMENT} | values
    with pytest.raises(IntegrityError, match=f"taskadmin_launch_{constraint}_check"):
        session.execute(insert(Launch), [launch])


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"kind": "slot", "slot": MOMENT}, "slot"),
        # The request key of the page.
        ({"kind": "manual", "request_key": uuid4()}, "request_key"),
    ],
)
def test_a_slot_and_a_click_are_launched_once(
    session: Session, values: dict[str, Any], key: str
) -> None:
    """Manual launches can begin at the same time otherwise."""
    launch = {"state": "opening", "opened_at": MOMENT}
    session.execute(insert(Launch), [launch | {"kind": "manual"}] * 2)
    session.execute(insert(Launch), [launch | values])
    with pytest.raises(IntegrityError, match=key):
        session.execute(insert(Launch), [launch | values])
