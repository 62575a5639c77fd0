"""Queries of health checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from taskadmin.store.reports import health as store


def test_clock_skew_is_measured_against_the_database(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this clock is an hour fast, the database is an hour behind."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(store, "datetime", Fast)

    found = store.clock_skew(session)

    assert found.ahead.total_seconds() == pytest.approx(-3600, abs=1)
    assert timedelta(0) <= found.uncertainty < timedelta(seconds=1)


@pytest.mark.databases("postgresql")
def test_large_tables_are_estimated(session: Session, run_id: int) -> None:
    """With PostgreSQL's statistics of the last ANALYZE."""
    assert store.results_size(session)[:2] == (1, False)

    session.execute(text("ANALYZE taskadmin_task_result"))
    session.commit()

    size = store.results_size(session)
    assert size[:2] == (1, True)
    assert size.size_bytes > 8192
