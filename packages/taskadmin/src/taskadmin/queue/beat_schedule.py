"""A schedule of beat's that goes on when the machine's clock is set back."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery.schedules import schedule


class Steadily(schedule):  # type: ignore[misc]  # Celery has no types
    """Every so often, whatever the clock does.

    Celery's own waits until the clock has come back to where it last was: set back by an
    hour, it would stop all launches for an hour, silently.
    """

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        remaining: timedelta = super().remaining_estimate(last_run_at)
        return timedelta() if remaining > self.run_every else remaining
