"""A thread that checks messages while a slow function blocks their worker's thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...store.database.outage import first_line

log = logging.getLogger("taskadmin.worker")

#: Seconds between two checks.
_CHECK_INTERVAL_SECONDS = 0.1
#: Seconds after a failed check: database or broker are unreachable for the others, too.
_AFTER_FAILURE_SECONDS = 2.0

Look = Callable[[], None]


class _Watchdog:
    """Calls each ``look`` repeatedly while it is registered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._looks: list[Look] = []
        threading.Thread(target=self._run, name="taskadmin-watchdog", daemon=True).start()

    def add(self, look: Look) -> None:
        with self._changed:
            self._looks.append(look)
            self._changed.notify()

    def remove(self, look: Look) -> None:
        with self._changed:
            self._looks.remove(look)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._looks:
                    self._changed.wait()
                self._changed.wait(_CHECK_INTERVAL_SECONDS)
                looks = list(self._looks)
            for look in looks:
                try:
                    look()
                except Exception as error:  # noqa: BLE001 - the next check retries
                    log.warning("Can't record outcomes yet: %s", first_line(error))
                    time.sleep(_AFTER_FAILURE_SECONDS)


_made: dict[int, _Watchdog] = {}
_making = threading.Lock()


@contextmanager
def watched(look: Look) -> Iterator[None]:
    """Call *look* in another thread every 0.1 s while the block runs."""
    with _making:
        # A pool's process may have been forked from one with its own watchdog.
        dog = _made.get(os.getpid()) or _made.setdefault(os.getpid(), _Watchdog())
    dog.add(look)
    try:
        yield
    finally:
        dog.remove(look)
