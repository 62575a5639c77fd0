"""When beat sends its entries."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.schedules import schedule

from taskadmin.queue.celery_app.beat_schedule import SteadySchedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def steadily() -> SteadySchedule:
    """A schedule of five seconds, at NOW."""
    return SteadySchedule(
        timedelta(seconds=5), nowfun=lambda: NOW, app=Celery(set_as_current=False)
    )


@pytest.mark.parametrize(
    ("ago", "due"),
    [(0.0, False), (4.9, False), (5.0, True), (3600.0, True), (-4.0, True), (-3600.0, True)],
)
def test_an_entry_is_due_when_its_time_is_over(
    steadily: SteadySchedule, ago: float, due: bool
) -> None:
    """Also if it was last sent in the future, because the clock was set back."""
    assert steadily.is_due(NOW - timedelta(seconds=ago)).is_due is due


def test_beats_file_has_no_class_of_this_version() -> None:
    """Beat's usual scheduler pickles its entries, and another version has to start with them."""
    again = pickle.loads(pickle.dumps(SteadySchedule(timedelta(seconds=5))))  # noqa: S301 - our own
    assert (type(again), again.run_every) == (schedule, timedelta(seconds=5))


def test_a_file_of_an_earlier_version_can_be_read() -> None:
    """Its class has another name."""
    stored = (
        b"ctaskadmin.queue.beat_schedule\nSteadily\n(cdatetime\ntimedelta\n(I0\nI5\nI0\ntRI00\nNtR."
    )
    again = pickle.loads(stored)  # noqa: S301 - our own
    assert (type(again), again.run_every) == (SteadySchedule, timedelta(seconds=5))
