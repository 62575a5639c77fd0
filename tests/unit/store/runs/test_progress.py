"""Progress messages of running jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.rows.runs import claim
from taskadmin.jobs import Progress
from taskadmin.models import TaskResult
from taskadmin.store.runs.progress import earlier_progress, find_progress, save_progress

SAID = Progress(progress=0.5, lines=[(datetime(2026, 1, 1, tzinfo=UTC).isoformat(), 1, "half")])


@pytest.mark.parametrize("claimed", [True, False])
def test_progress_is_read_back(
    session: Session, run_id: int, process_id: UUID, claimed: bool
) -> None:
    """A message replaces the previous one; other runs have none."""
    token = uuid4() if claimed else None
    if token is not None:
        claim(session, run_id, process_id=process_id, token=token)
    assert earlier_progress(session, run_id) is None
    for said in (Progress(lines=[]), SAID):
        assert save_progress(session, run_id, token, said)
    found = earlier_progress(session, run_id)
    assert found is not None
    assert [list(line) for line in found.lines] == [list(line) for line in SAID.lines]
    assert {id_: row.progress for id_, row in find_progress(session, [run_id, 99]).items()} == {
        run_id: 0.5
    }


def test_a_worker_that_lost_the_run_stores_no_progress(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """Neither with an old token, nor without one after a claim."""
    claim(session, run_id, process_id=process_id, token=uuid4())
    assert not save_progress(session, run_id, uuid4(), SAID)
    assert not save_progress(session, run_id, None, SAID)
    assert find_progress(session, [run_id]) == {}


def test_the_jobs_own_transaction_is_left_alone(session: Session, run_id: int) -> None:
    """On SQLite, its lock is awaited briefly; the connection's timeout is restored."""
    session.rollback()
    assert session.get_one(TaskResult, run_id).state == "queued"
    assert save_progress(session, run_id, None, SAID)
    assert session.in_transaction()
    if session.get_bind().dialect.name == "sqlite":
        assert session.scalar(text("PRAGMA busy_timeout")) != 200
