"""When beat sends its entries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from taskadmin.queue.beat_scheduler import EmbeddedScheduler
from taskadmin.queue.celery_app.beat_schedule import SteadySchedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1), timedelta(0)])
def test_beat_sends_on_after_a_jump_of_the_clock(jump: timedelta) -> None:
    """Beat plans by the wall clock, and again after it was set back."""
    clock = [NOW]
    sent = []

    class Shifted(Celery):  # type: ignore[misc]  # Celery has no types
        def now(self) -> datetime:
            return clock[0]

    celery = Shifted(set_as_current=False)

    class Quiet(EmbeddedScheduler):
        producer = None

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            sent.append(entry.name)

        def setup_schedule(self) -> None:
            self.merge_inplace(
                {
                    name: {
                        "task": name,
                        "schedule": SteadySchedule(
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
