"""The database's clock, and slots by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from services.ledger.launchers import (
    DAY,
)
from taskadmin.store.database import clock


def test_a_slot_begins_at_a_multiple_of_the_interval() -> None:
    """Counted from 1970, independent of when the process was started."""
    moment = datetime(2026, 3, 1, 12, 34, 56, 789000, tzinfo=UTC)
    assert clock.slot_of(moment, 300) == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert clock.slot_of(moment, 0.5) == datetime(2026, 3, 1, 12, 34, 56, 500000, tzinfo=UTC)
    assert clock.slot_of(moment, DAY) == datetime(2026, 3, 1, tzinfo=UTC)
    edge = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert clock.slot_of(edge, 300) == edge


def test_the_clock_is_the_databases(session: Session) -> None:
    """It advances inside a transaction, and is in UTC."""
    first = clock.now(session)
    assert first.tzinfo is UTC
    assert abs(datetime.now(UTC) - first) < timedelta(seconds=5)
    deadline = datetime.now(UTC) + timedelta(seconds=5)
    while (later := clock.now(session)) == first:
        assert datetime.now(UTC) < deadline
    assert later > first
