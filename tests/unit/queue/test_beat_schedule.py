"""When beat sends its entries."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.beat import Scheduler

from taskadmin.queue.beat_schedule import Steadily

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def steadily() -> Steadily:
    """Every five seconds, at NOW."""
    return Steadily(timedelta(seconds=5), nowfun=lambda: NOW, app=Celery(set_as_current=False))


@pytest.mark.parametrize(
    ("ago", "due"),
    [(0.0, False), (4.9, False), (5.0, True), (3600.0, True), (-4.0, True), (-3600.0, True)],
)
def test_an_entry_is_due_when_its_time_is_over(steadily: Steadily, ago: float, due: bool) -> None:
    """Also when it was last sent in what is the future since the clock was set back."""
    assert steadily.is_due(NOW - timedelta(seconds=ago)).is_due is due


def test_it_can_be_kept_in_beats_file(steadily: Steadily) -> None:
    """Beat's usual scheduler pickles its entries."""
    again = pickle.loads(pickle.dumps(Steadily(timedelta(seconds=5))))  # noqa: S301 - our own
    assert (type(again), again.run_every) == (Steadily, timedelta(seconds=5))


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1), timedelta(0)])
def test_beat_sends_on_after_a_jump_of_the_clock(jump: timedelta) -> None:
    """Beat plans by the clock's time, and plans anew when the clock was set back."""
    celery = Celery(set_as_current=False)
    clock = [NOW]
    sent = []

    class Quiet(Scheduler):  # type: ignore[misc]  # Celery has no types
        producer = None

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            sent.append(entry.name)

        def setup_schedule(self) -> None:
            self.merge_inplace(
                {
                    name: {
                        "task": name,
                        "schedule": Steadily(
                            timedelta(seconds=5), nowfun=lambda: clock[0], app=celery
                        ),
                    }
                    for name in ("one", "two")
                }
            )

    beat = Quiet(celery, lazy=False)

    def pass_time(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)
        while not beat.tick():
            pass

    pass_time(5)
    pass_time(5)
    sent.clear()
    clock[0] += jump

    pass_time(5)

    assert sorted(sent) == ["one", "two"]
