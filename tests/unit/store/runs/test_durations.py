"""Recorded durations of jobs."""

from __future__ import annotations

import math

import pytest
from sqlalchemy.orm import Session

from taskadmin.store.runs.durations import Durations, note_durations, usual_durations


def test_durations_of_workers_are_added_up(session: Session) -> None:
    """Mean and two deviations of all runs, per job."""
    note_durations(session, {"a": Durations(2, 3, 5), "b": Durations(1, 5, 25)})
    note_durations(session, {"a": Durations(1, 3, 9)})
    note_durations(session, {})

    assert usual_durations(session) == {
        "a": pytest.approx(2 + 2 * math.sqrt(2 / 3)),
        "b": pytest.approx(5),
    }


def test_a_job_that_has_become_fast_is_known_as_fast_soon(session: Session) -> None:
    """A million earlier slow runs count as a thousand."""
    note_durations(session, {"a": Durations(1e6, 10e6, 100e6)})
    for _ in range(20):
        note_durations(session, {"a": Durations(1_000, 1, 0.001)})

    assert usual_durations(session)["a"] < 0.5
