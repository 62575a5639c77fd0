"""A beat schedule that survives clocks that are set back; used with ``beat_scheduler``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from celery.schedules import schedule


class SteadySchedule(schedule):  # type: ignore[misc]  # Celery has no types
    """A fixed interval, independent of changes of the clock.

    Celery's schedule waits until the clock has reached its last time again: set back by an hour,
    all launches would silently stop for an hour.
    """

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        remaining: timedelta = super().remaining_estimate(last_run_at)
        return timedelta() if remaining > self.run_every else remaining

    def __reduce__(self) -> tuple[Any, ...]:
        # Beat can't start with a file that has a class unknown to its version. With Celery's class,
        # every version reads the file; it takes the schedules themselves from its configuration.
        return schedule, (self.run_every, self.relative, self.nowfun)
