"""Call something that may never return, with a timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NoAnswer(Exception):
    """The call timed out."""


class ProbeCall(Generic[T]):
    """One call in its own thread."""

    def __init__(self, ask: Callable[[], T], *, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._begun = time.monotonic()
        self._ended: float | None = None
        self._done = threading.Event()
        self._answer: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="taskadmin-health", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._ask())
        except Exception as error:  # noqa: BLE001 - re-raised in ``result``
            self._error = error
        finally:
            self._ended = time.monotonic()
            self._done.set()

    def result(self) -> T:
        """Return the call's result; all callers wait until the same deadline."""
        if not self._done.wait(max(0.0, self._begun + self._seconds - time.monotonic())):
            raise NoAnswer(f"No answer after {self._seconds:g} s.")
        if self._error is not None:
            raise self._error
        return self._answer[0]

    @property
    def is_running(self) -> bool:
        """Whether the call is still executing; a thread lost in a fork isn't."""
        return self._ended is None and self._thread.is_alive()

    def is_current(self, *, fresh_seconds: float, hung_seconds: float) -> bool:
        """Whether its result, or the lack of one, is recent enough."""
        now = time.monotonic()
        if self._ended is not None:
            return now - self._ended < fresh_seconds
        return self._thread.is_alive() and now - self._begun < hung_seconds


class Probe(Generic[T]):
    """Makes one call at a time, and none while the last result is fresh.

    If the call hangs, everyone gets ``NoAnswer``: the first caller after *seconds*, others at once.
    Another attempt is made after *hung_seconds*.
    """

    #: Maximum threads, and with them connections, that may hang at a time.
    MAX_HUNG = 3

    def __init__(
        self,
        ask: Callable[[], T],
        *,
        seconds: float,
        fresh_seconds: float = 1.0,
        hung_seconds: float = 30.0,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._fresh_seconds = fresh_seconds
        self._hung_seconds = hung_seconds
        self._lock = threading.Lock()
        self._attempt: ProbeCall[T] | None = None
        self._hung: list[ProbeCall[T]] = []

    def start(self) -> ProbeCall[T]:
        """Return the attempt that is executing or fresh, or start a new one."""
        with self._lock:
            last = self._attempt
            if last is not None:
                if last.is_current(
                    fresh_seconds=self._fresh_seconds, hung_seconds=self._hung_seconds
                ):
                    return last
                self._hung = [attempt for attempt in self._hung if attempt.is_running]
                if last.is_running:
                    if len(self._hung) + 1 >= self.MAX_HUNG:
                        return last
                    self._hung.append(last)
            self._attempt = ProbeCall(self._ask, seconds=self._seconds)
            return self._attempt
