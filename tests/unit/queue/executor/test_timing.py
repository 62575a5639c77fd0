"""Durations of runs, as measured by a process."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from taskadmin.queue.executor.timing import Timing, timing_of
from taskadmin.store.runs.durations import usual_durations


def test_durations_are_stored_at_once_and_then_once_a_second(session: Session) -> None:
    """So that a new job's first launch benefits, without a statement per run."""
    clock = [100.0]
    timing = Timing(lambda: clock[0])
    told = []
    for second in (0.0, 0.5, 1.0):
        clock[0] = 100 + second
        timing.add("probe", 1.0)
        timing.note(session)
        told.append(session.execute(text("SELECT runs FROM taskadmin_job_duration")).scalar())
        session.rollback()
    assert told == [1, 1, 3]
    assert usual_durations(session)["probe"] == pytest.approx(timedelta(seconds=1).total_seconds())


def test_a_pace_follows_recent_durations() -> None:
    """In this process; for an unknown job, the caller's assumption."""
    timing = Timing()
    assert timing.pace("probe", otherwise=7.0) == 7.0
    for seconds in (1.0, 6.0):
        timing.add("probe", seconds)
    assert timing.pace("probe", otherwise=7.0) == 2.0


def test_durations_that_cannot_be_stored_are_dropped(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker continues."""
    caplog.set_level("INFO", "taskadmin.worker")
    session.execute(text("DROP TABLE taskadmin_job_duration"))
    session.commit()
    timing = Timing()
    timing.add("probe", 1.0)
    timing.note(session)
    assert "Can't store durations of runs" in caplog.text


def test_each_ledger_has_its_own(session: Session) -> None:
    """Sessions of a ledger share it."""
    with Session(session.get_bind()) as other:
        assert timing_of(other) is timing_of(session)
