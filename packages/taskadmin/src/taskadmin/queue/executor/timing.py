"""Measure jobs' durations in this process, and store them once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...store.runs.durations import Durations, note_durations

_NO_DURATIONS = Durations()

log = logging.getLogger("taskadmin.worker")

#: Seconds between two writes; the first one is immediate, for a new job's first launch.
_WRITE_INTERVAL_SECONDS = 1.0


class Timing:
    """Durations since the last write."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[str, Durations] = {}
        self._paces: dict[str, float] = {}
        self._next = 0.0

    def add(self, job: str, seconds: float) -> None:
        """Add one run's duration."""
        with self._lock:
            self._taken[job] = self._taken.get(job, _NO_DURATIONS).with_run(seconds)
            self._paces[job] = (4 * self._paces.get(job, seconds) + seconds) / 5

    def pace(self, job: str, *, otherwise: float) -> float:
        """Return the recent seconds per run of a job here; *otherwise* if there was none."""
        return self._paces.get(job, otherwise)

    def note(self, session: Session) -> None:
        """Write durations if the last write is old enough; losing some is harmless."""
        with self._lock:
            if not self._taken or self._clock() < self._next:
                return
            taken, self._taken = self._taken, {}
            self._next = self._clock() + _WRITE_INTERVAL_SECONDS
        try:
            note_durations(session, taken)
        except SQLAlchemyError as error:
            log.info("Can't store durations of runs: %s", type(error).__name__)


_timings: WeakKeyDictionary[Engine, Timing] = WeakKeyDictionary()


def timing_of(session: Session) -> Timing:
    """Return the durations for the database of *session*."""
    return _timings.setdefault(session.get_bind().engine, Timing())
