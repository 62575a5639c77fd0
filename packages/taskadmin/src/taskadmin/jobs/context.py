"""What a job may know about the run it is called for, and what it may say meanwhile."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

log = logging.getLogger("taskadmin.jobs")

#: Characters of a line; what is longer is cut.
LINE_LENGTH = 1000

#: Lines that are kept of a run, the newest ones.
LINES_KEPT = 200

#: Shortest time between two reports, in seconds: a job may call ``log`` in a tight loop.
REPORT_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has said so far."""

    #: Share that is done, from 0 to 1; None if the job doesn't say.
    progress: float | None = None
    #: The newest lines, oldest first: ISO 8601 time in UTC, attempt, text.
    lines: list[tuple[str, int, str]] = field(default_factory=list)


class Run:
    """The run that a job is called for. A function gets it by a parameter annotated with it.

    ``Run()`` is enough to call a job directly, in a test for example: ``reported``
    then tells what the job said.

    Args:
        task_id: The task's id.
        run_id: The id of the run's row.
        launch_id: The id of the launch that started the run.
        attempt: Number of this attempt, from 1.
        due_at: When the run was due; now, if not given.
        sink: Is given everything said so far, at most twice a second.
        earlier: What earlier attempts of this run said; its newest lines stay.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        *,
        task_id: int = 0,
        run_id: int = 0,
        launch_id: int = 0,
        attempt: int = 1,
        due_at: datetime | None = None,
        sink: Callable[[Progress], None] | None = None,
        earlier: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task_id = task_id
        self.run_id = run_id
        self.launch_id = launch_id
        self.attempt = attempt
        self.due_at = due_at or datetime.now(UTC)
        self._sink = sink
        self._clock = clock
        self._progress: float | None = None
        self._lines = list(earlier.lines[-LINES_KEPT:]) if earlier else []
        self._unsent = False
        self._sent_at = -math.inf
        self._sink_failed = False
        # A job may have threads that all log. Reentrant: the sink may end up in here again.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Run {self.run_id} of task {self.task_id}, attempt {self.attempt}>"

    def log(self, line: object) -> None:
        """Add a line to the run's page; its first 1,000 characters."""
        # PostgreSQL stores no NUL, and neither database a half of a surrogate pair.
        text = str(line)[:LINE_LENGTH].replace("\x00", "\ufffd")
        text = text.encode("utf-8", "replace").decode("utf-8")
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            self._lines.append((moment, self.attempt, text))
            del self._lines[:-LINES_KEPT]
            self._changed()

    def progress(self, share: float) -> None:
        """Say which share of the work is done.

        Raises:
            ValueError: If *share* is no number from 0 to 1.
        """
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
            raise ValueError(f"The progress of a run is {share!r}; expected a number from 0 to 1.")
        with self._lock:
            self._progress = float(share)
            self._changed()

    @property
    def reported(self) -> Progress:
        """Everything said so far."""
        with self._lock:
            return Progress(self._progress, list(self._lines))

    def flush(self) -> None:
        """Report what hasn't been reported yet."""
        with self._lock:
            if self._unsent:
                self._report()

    def _changed(self) -> None:
        self._unsent = True
        if self._clock() - self._sent_at >= REPORT_EVERY_SECONDS:
            self._report()

    def _report(self) -> None:
        self._unsent = False
        self._sent_at = self._clock()
        if self._sink is None:
            return
        try:
            self._sink(self.reported)
        except Exception as error:
            if _ends_the_job(error):
                raise
            self._unsent = True
            if not self._sink_failed:
                self._sink_failed = True
                log.warning("What run %d says can't be stored", self.run_id, exc_info=True)


def _ends_the_job(error: Exception) -> bool:
    # The soft time limit is an ordinary exception that a signal raises wherever the job is, be
    # it in the sink: swallowed, the process would be killed later. By name, because it is
    # billiard's, and jobs know nothing of Celery.
    return any(kind.__name__ == "SoftTimeLimitExceeded" for kind in type(error).__mro__)
