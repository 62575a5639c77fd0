"""End functions that their own processes can't end, from the worker's main process.

A pool's process enforces limits itself (``limits``), unless it is stuck in C code that holds the
interpreter's lock. In that case, the worker sees on the ``scoreboard`` that its time is up, and
kills it. The worker also receives people's requests to terminate runs.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import NamedTuple

from celery.worker import state

from ...models import ProcessEnd
from .limits import GRACE_SECONDS, RECORDING_SECONDS, TERMINATED_ERROR, over_limit
from .scoreboard import WANTED, Ending, ExecutedRun, executed_runs, row_of

log = logging.getLogger("taskadmin.worker")

#: Seconds between two checks, and how late a process may be.
_CHECK_INTERVAL_SECONDS, _TOLERANCE_SECONDS = 0.5, 2.0
#: Seconds to remember a request to terminate a run, which may be about to begin.
_REQUEST_SECONDS = 60.0


class Ended(NamedTuple):
    """Why a process was killed because of its run."""

    ending: ProcessEnd
    reason: str
    #: Whether all remaining runs of its message were given back.
    is_given_back: bool


class Overseer:
    """Checks the runs of this worker's pool, in a thread."""

    def __init__(self) -> None:
        #: When termination of each run was requested.
        self._requested: dict[int, float] = {}
        #: The late run of each process at the last check, and when it began.
        self._late: dict[int, tuple[int, float]] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start checking."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="taskadmin-overseer", daemon=True
            )
            self._thread.start()

    def terminate(self, run_id: int, pid: int) -> bool:
        """End the function of a run that a process executes, or is about to.

        Returns:
            Whether the process can be told.
        """
        if self._thread is None or row_of(pid) is None:
            return False
        self._requested[run_id] = time.monotonic()
        self._tell()
        return True

    def why_ended(self, pid: int) -> Ended | None:
        """Return why a gone process was killed; None if not because of its run."""
        for run in executed_runs():
            if run.pid == pid:
                is_given_back = run.ending == Ending.GIVEN_BACK
                if run.run_id in self._requested:
                    return Ended(ProcessEnd.STOPPED, TERMINATED_ERROR, is_given_back)
                if time.monotonic() >= run.since + run.limit:
                    return Ended(ProcessEnd.TIME_LIMIT, over_limit(run.limit), is_given_back)
        return None

    def _run(self) -> None:
        while True:
            time.sleep(_CHECK_INTERVAL_SECONDS)
            try:
                self._look()
            except Exception:
                log.exception("Can't check the runs of the pool")

    def _look(self) -> None:
        now = time.monotonic()
        for run_id, asked in list(self._requested.items()):
            if now > asked + _REQUEST_SECONDS:
                del self._requested[run_id]
        late = {}
        for run in self._tell():
            if self._is_late(run, now):
                late[run.pid] = run.run_id, run.since
                # A row may be read while it is written, but not twice in a row.
                if self._late.get(run.pid) == late[run.pid]:
                    log.error(
                        "Killing process %d, which can't end run %d itself", run.pid, run.run_id
                    )
                    os.kill(run.pid, signal.SIGKILL)
        self._late = late

    def _tell(self) -> list[ExecutedRun]:
        """Tell processes which run to terminate; return the runs that they execute."""
        try:
            # A gone process still has its row, and its pid may be reused.
            live = {request.worker_pid for request in list(state.active_requests)}
        except RuntimeError:  # they changed during the copy: next time
            return []
        runs = [run for run in executed_runs() if run.pid in live]
        for run in runs:
            if run.run_id in self._requested:
                run.row.numbers[WANTED] = run.run_id
        return runs

    def _is_late(self, run: ExecutedRun, now: float) -> bool:
        ends_at = run.since + run.limit
        asked = self._requested.get(run.run_id)
        if asked is not None:
            ends_at = min(ends_at, max(asked, run.since) + GRACE_SECONDS)
        return now > ends_at + _TOLERANCE_SECONDS + (RECORDING_SECONDS if run.ending else 0)


#: The overseer of this worker.
overseer = Overseer()
