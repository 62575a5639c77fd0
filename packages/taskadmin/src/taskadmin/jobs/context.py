"""``Run``: the run that a job executes, and the progress that it reports."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..values.storable import escaped_text

log = logging.getLogger("taskadmin.jobs")

#: Maximum characters of a line; the rest is cut off.
LINE_LENGTH = 1000

#: Number of newest lines to keep of a run.
LINES_KEPT = 200

#: Minimum seconds between two reports: a job may call ``log`` in a tight loop.
REPORT_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress that a run has reported so far."""

    #: Fraction done, from 0 to 1; None if the job doesn't report it.
    progress: float | None = None
    #: The newest lines, oldest first: ISO 8601 time in UTC, attempt, text.
    lines: list[tuple[str, int, str]] = field(default_factory=list)


class Run:
    """The run that a job executes; passed to a parameter that is annotated with ``Run``.

    ``Run()`` is enough to call a job directly, such as in a test; ``reported`` then returns what
    the job reported.

    Args:
        task_id: The task's id.
        run_id: The id of the run's row.
        launch_id: The id of the launch.
        attempt: Number of this attempt, from 1.
        due_at: When the run was due; now by default.
        sink: Called with all progress so far, at most twice a second.
        earlier: Progress of earlier attempts; its newest lines are kept.
        redact: Removes secrets from lines.
        clock: A monotonic clock, in seconds.
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
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task_id = task_id
        self.run_id = run_id
        self.launch_id = launch_id
        self.attempt = attempt
        self.due_at = due_at or datetime.now(UTC)
        self._sink = sink
        self._redact = redact
        self._clock = clock
        self._progress: float | None = None
        self._lines = list(earlier.lines[-LINES_KEPT:]) if earlier else []
        self._unsent = False
        self._sent_at = -math.inf
        self._sink_failed = False
        # Threads of the job may log. Reentrant: the sink may call this again.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Run {self.run_id} of task {self.task_id}, attempt {self.attempt}>"

    def log(self, line: object) -> None:
        """Add a line to the run's page, cut off after 1,000 characters."""
        text = escaped_text(self._redact(str(line))[:LINE_LENGTH])[:LINE_LENGTH]
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            self._lines.append((moment, self.attempt, text))
            del self._lines[:-LINES_KEPT]
            self._changed()

    def progress(self, share: float) -> None:
        """Report the fraction of the work that is done.

        Raises:
            ValueError: If *share* isn't a number from 0 to 1.
        """
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not 0 <= share <= 1:
            raise ValueError(f"The progress of a run is {share!r}; expected a number from 0 to 1.")
        with self._lock:
            self._progress = float(share)
            self._changed()

    @property
    def reported(self) -> Progress:
        """All progress so far."""
        with self._lock:
            return Progress(self._progress, list(self._lines))

    def flush(self) -> None:
        """Report progress that hasn't been reported yet."""
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
                log.warning("Can't store the progress of run %d", self.run_id, exc_info=True)


def _ends_the_job(error: Exception) -> bool:
    # A signal raises the soft time limit anywhere in the job, even in the sink, as an ordinary
    # exception; if it were swallowed, the process would be killed later. Compared by name, since it
    # is billiard's, and jobs don't import Celery.
    return any(kind.__name__ == "SoftTimeLimitExceeded" for kind in type(error).__mro__)
