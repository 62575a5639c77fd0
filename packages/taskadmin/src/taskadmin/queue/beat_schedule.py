"""A schedule of beat's that goes on when the machine's clock is set back."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import schedule

#: Smaller steps of the clock only delay what is next by as much.
_STEP = timedelta(seconds=1)


class Steadily(schedule):  # type: ignore[misc]  # Celery has no types
    """Every so often, whatever the clock does.

    Celery's own waits until the clock has come back to where it last was: set back by an
    hour, it would stop all launches for an hour, silently.
    """

    #: The clock's time when time.monotonic() was 0, as this process saw it last.
    _epoch: datetime | None = None

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        remaining: timedelta = super().remaining_estimate(last_run_at)
        return timedelta() if remaining > self.run_every else remaining

    def __eq__(self, other: Any) -> bool:
        """Whether both mean the same times; not even itself, once, after the clock was set back.

        Beat keeps the clock's time of what is next, and asks no schedule before that time has
        come. On every round it compares the schedules with those that it has planned for, and
        plans anew when they differ (celery.beat.Scheduler.tick): only here can it be told.
        """
        return bool(super().__eq__(other)) and not self._was_set_back()

    __hash__ = None  # type: ignore[assignment]  # as in Celery's

    def _was_set_back(self) -> bool:
        before = self._epoch
        self._epoch = self.now() - timedelta(seconds=time.monotonic())
        return before is not None and self._epoch < before - _STEP
