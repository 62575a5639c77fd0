"""Schedulers of beat that survive clocks that are set back."""

from __future__ import annotations

import time

from celery.beat import PersistentScheduler, Scheduler

#: Smaller steps of the clock are ignored, in seconds: they delay the next entry only by as much.
_STEP_SECONDS = 1.0


class _Rescheduling(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Reschedules all entries when the clock was set back.

    Beat stores the wall time of the next entry, and checks no schedule before that time.
    """

    #: The wall time when time.monotonic() was 0, as last seen by this process.
    _epoch: float | None = None

    def tick(self, *arguments: object, **options: object) -> float:
        before, self._epoch = self._epoch, self.app.now().timestamp() - time.monotonic()
        if before is not None and self._epoch < before - _STEP_SECONDS:
            self.populate_heap()
        wait: float = super().tick(*arguments, **options)
        return wait


class SteadyScheduler(_Rescheduling, PersistentScheduler):  # type: ignore[misc]
    """Celery's persistent scheduler, which continues at once when the clock is set back."""


class EmbeddedScheduler(_Rescheduling):
    """A scheduler without a file, which continues at once when the clock is set back."""
