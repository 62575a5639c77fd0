"""Time limits of a job's function, enforced by the process that calls it.

Limits apply only in processes of a prefork pool, and only while the function runs: reading,
recording and waiting for the database have no limit. A thread checks the clock ten times a second.

At the soft limit, a signal handler raises ``SoftTimeLimitExceeded`` in the function. The thread's
signal interrupts blocking calls. Code that computes without releasing the interpreter's lock, such
as a regular expression, also blocks the thread; a timer of CPU time sends the signal then.

At the hard limit, the thread records what it can and kills the process. The worker (``overseer``)
kills processes that hold the lock and handle no signals. Terminating a run works the same way:
first an exception, then the process is killed if that doesn't end the function.

In other pools, a function can't be ended without the whole worker; only its time is recorded.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.log import current_process_index

from ...jobs import Job
from ...models import ProcessEnd
from . import heartbeat
from .scoreboard import ENDING, LIMIT, RUN_ID, SINCE, WANTED, Ending, ScoreboardRow, take_row

log = logging.getLogger("taskadmin.worker")

#: Seconds between two checks. The thread sleeps after this many checks without a function.
_CHECK_INTERVAL_SECONDS, _MAX_IDLE_CHECKS = 0.1, 10
#: Maximum seconds for recording before a process is killed.
RECORDING_SECONDS = 5.0
#: Seconds from the exception in a terminated run's function to killing the process.
GRACE_SECONDS = 5.0
#: A signal that billiard, Celery and jobs don't use; also the timer's. Windows has none.
_SIGNAL: signal.Signals | None = getattr(signal, "SIGVTALRM", None)

TERMINATED_ERROR = "A person terminated its run."

#: Called at the hard limit with the limit in seconds, in another thread and without an application
#: context. It has ``RECORDING_SECONDS``; if it returns, the message is acknowledged.
Over = Callable[[float], None]
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

#: Code around jobs' functions: a signal that interrupts it must not raise.
_around: set[CodeType] = set()


class RunTerminated(BaseException):
    """A person terminated the run."""


def around(function: AnyFunction) -> AnyFunction:
    """Mark a function that calls jobs' functions inside ``function_runs``."""
    _around.add(function.__code__)
    return function


class function_runs:  # noqa: N801 - named like contextlib's; a generator would be slower
    """A context manager around the job's function.

    Raises:
        celery.exceptions.SoftTimeLimitExceeded: Inside, once, at the job's soft time limit.
        RunTerminated: Inside, once, if a person terminates the run.
    """

    __slots__ = ("ends_at", "hard", "job", "over", "raised", "run_id", "since", "soft", "verdict")

    def __init__(self, run_id: int, job: Job | None, over: Over | None) -> None:
        """Prepare the limits.

        Args:
            job: None for an unknown job, which has no limits.
            over: Records the hard limit, and gives back runs that haven't begun, before the process
                is killed. A run that a person terminated is cancelled by then.
        """
        self.run_id = run_id
        self.job = job
        self.over = over
        self.soft, self.hard = (job.soft_time_limit, job.time_limit) if job else (None, 1e9)
        #: The exception that was raised in the function.
        self.raised: type[BaseException] | None = None
        #: When the process is killed because the run was terminated.
        self.ends_at: float | None = None
        #: Set if the function had returned when its process was to be killed.
        self.verdict: threading.Event | None = None

    @around
    def __enter__(self) -> None:
        here = _here
        if here is None:
            self.since = time.monotonic()
            _elsewhere.add(self)
            return
        numbers, seconds = here.row
        self.since = seconds[SINCE] = time.monotonic()
        seconds[LIMIT] = self.hard
        numbers[RUN_ID] = self.run_id
        here.current = self
        if here.is_asleep:
            here.wake_up()
        if self.soft is not None and not here.ticks:
            here.tick()

    @around
    def __exit__(self, *_: object) -> None:
        here = _here
        if here is None:
            _elsewhere.discard(self)
            return
        here.current = None
        # Read afterwards, while the thread writes in the reverse order: one of the two sees the
        # other.
        if self.verdict is not None:
            self.verdict.wait()
        here.row.numbers[RUN_ID] = 0

    def pending_exception(self, now: float) -> type[BaseException] | None:
        """Return the exception that is due and hasn't been raised yet."""
        if self.ends_at is not None:
            return None if self.raised is RunTerminated else RunTerminated
        if self.soft is None or self.raised is not None or now < self.since + self.soft:
            return None
        kind: type[BaseException] = SoftTimeLimitExceeded
        return kind

    def __str__(self) -> str:
        return f"Run {self.run_id} ({self.job.name if self.job else 'unknown job'})"


class _LimitedProcess:
    """State shared by functions, thread and signal handler of this process of a pool."""

    def __init__(self, row: ScoreboardRow) -> None:
        self.row = row
        self.current: function_runs | None = None
        self.is_asleep = True
        #: Whether the timer of CPU time is on.
        self.ticks = False
        self._main = threading.get_ident()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def wake_up(self) -> None:
        """Wake the thread, or start it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="taskadmin-limits", daemon=True)
            self._thread.start()
        else:
            self._wake.set()

    def tick(self) -> None:
        """Start a timer that interrupts this main thread while it computes."""
        if _is_ours():
            self.ticks = True
            signal.setitimer(
                signal.ITIMER_VIRTUAL, _CHECK_INTERVAL_SECONDS, _CHECK_INTERVAL_SECONDS
            )

    def stop_ticking(self) -> None:
        """Stop the timer."""
        if self.ticks:
            self.ticks = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _run(self) -> None:
        if _SIGNAL is not None:  # it would only interrupt recording here
            signal.pthread_sigmask(signal.SIG_BLOCK, {_SIGNAL})
        self.is_asleep = False
        idle = 0
        while True:
            run = self.current
            if run is not None:
                idle = 0
                time.sleep(self._look(run))
            elif idle < _MAX_IDLE_CHECKS:
                idle += 1
                time.sleep(_CHECK_INTERVAL_SECONDS)
            else:
                self.is_asleep = True
                if self.current is None:
                    self._wake.wait()
                self.is_asleep = False
                self._wake.clear()
                idle = 0

    def _look(self, run: function_runs) -> float:
        """Act on a function's elapsed time; return the seconds until the next check."""
        now = time.monotonic()
        if run.ends_at is None and self.row.numbers[WANTED] == run.run_id:
            run.ends_at = now + GRACE_SECONDS
        ends_at = run.since + run.hard
        if run.ends_at is not None:
            ends_at = min(ends_at, run.ends_at)
        if now >= ends_at:
            self._end(run)
            return _CHECK_INTERVAL_SECONDS
        if run.pending_exception(now) is not None and _is_ours():
            assert _SIGNAL is not None
            signal.pthread_kill(self._main, _SIGNAL)
        until = [ends_at] if run.soft is None or run.raised else [ends_at, run.since + run.soft]
        left = min(
            (moment - now for moment in until if moment > now), default=_CHECK_INTERVAL_SECONDS
        )
        return min(left, _CHECK_INTERVAL_SECONDS)

    def _end(self, run: function_runs) -> None:
        """Kill this process because of a function, unless it has just returned."""
        run.verdict = threading.Event()
        if self.current is not run:
            run.verdict.set()
            return
        try:
            self.row.numbers[ENDING] = Ending.BEGUN
            recording = threading.Thread(
                target=self._record_end, args=(run,), name="taskadmin-end", daemon=True
            )
            recording.start()
            recording.join(RECORDING_SECONDS)
        finally:
            _kill()

    def _record_end(self, run: function_runs) -> None:
        ending, reason = ProcessEnd.TIME_LIMIT, over_limit(run.hard)
        if run.ends_at is not None:
            ending, reason = ProcessEnd.STOPPED, TERMINATED_ERROR
        log.error("%s doesn't end: killing process %d. %s", run, os.getpid(), reason)
        if run.over is not None:
            try:
                run.over(run.hard)
                self.row.numbers[ENDING] = Ending.GIVEN_BACK
            except Exception:  # the message will be redelivered
                log.exception("Can't give back the remaining runs of a message")
        heartbeat.note_end(ending, reason)


def over_limit(seconds: float) -> str:
    """Return why a process was killed."""
    return f"It took longer than the job's limit of {seconds:g} s."


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


#: State of this process of a pool; None in all others.
_here: _LimitedProcess | None = None
#: Running functions in pools without limits.
_elsewhere: set[function_runs] = set()


def _is_ours() -> bool:
    """Whether our handler is installed: a job may have installed its own."""
    return _SIGNAL is not None and signal.getsignal(_SIGNAL) is _on_signal


def _on_signal(_number: int, frame: FrameType | None) -> None:
    """Raise the due exception in the function, unless the signal interrupted code around it."""
    if _here is None:
        return
    run = _here.current
    if run is None or run.soft is None:
        _here.stop_ticking()
    if run is None or frame is None or frame.f_code in _around:
        return
    kind = run.pending_exception(time.monotonic())
    if kind is not None:
        run.raised = kind
        raise kind


def keep_limits() -> None:
    """Enforce limits in this process from now on, if it is a new one of a prefork pool."""
    global _here
    index = current_process_index(0)
    if index is None or _SIGNAL is None:
        return
    if signal.getsignal(_SIGNAL) is signal.SIG_DFL:
        signal.signal(_SIGNAL, _on_signal)
    else:
        log.warning("%s is in use: soft time limits of jobs aren't enforced here", _SIGNAL.name)
    _here = _LimitedProcess(take_row(index))


def longest_beyond_limit(seconds: float) -> tuple[function_runs, float] | None:
    """Return the function that exceeds its limit by *seconds* the most, in pools without limits."""
    now = time.monotonic()
    late = [(now - run.since, run) for run in list(_elsewhere)]
    late = [(taken, run) for taken, run in late if taken > run.hard + seconds]
    if not late:
        return None
    taken, run = max(late, key=lambda one: one[0])
    return run, taken


def _forget() -> None:
    """Enforce no limits in processes that a job forks: they aren't the pool's."""
    global _here
    _here = None
    _elsewhere.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
