"""Asking something that may never answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NoAnswer(Exception):
    """It doesn't answer in time."""


class Attempt(Generic[T]):
    """One call, in a thread of its own."""

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
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for who waits
            self._error = error
        finally:
            self._ended = time.monotonic()
            self._done.set()

    def result(self) -> T:
        """The answer, for which everybody waits until the same moment."""
        if not self._done.wait(max(0.0, self._begun + self._seconds - time.monotonic())):
            raise NoAnswer(f"No answer after {self._seconds:g} s.")
        if self._error is not None:
            raise self._error
        return self._answer[0]

    @property
    def is_running(self) -> bool:
        """Whether it still waits; a thread that a fork left behind doesn't."""
        return self._ended is None and self._thread.is_alive()

    def is_current(self, *, fresh_seconds: float, hung_seconds: float) -> bool:
        """Whether its answer, or its silence, says how things are."""
        now = time.monotonic()
        if self._ended is not None:
            return now - self._ended < fresh_seconds
        return self._thread.is_alive() and now - self._begun < hung_seconds


class Probe(Generic[T]):
    """Asks at most once at a time, and not again while the last answer is fresh.

    Who is asked may hang: then everybody gets ``NoAnswer``, the first after *seconds*, the
    others at once, and another attempt is made after *hung_seconds*.
    """

    #: Threads, and with them connections, that may hang at a time.
    MOST_HUNG = 3

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
        self._attempt: Attempt[T] | None = None
        self._hung: list[Attempt[T]] = []

    def start(self) -> Attempt[T]:
        """The attempt that is under way or fresh, or else a new one."""
        with self._lock:
            last = self._attempt
            if last is not None:
                if last.is_current(
                    fresh_seconds=self._fresh_seconds, hung_seconds=self._hung_seconds
                ):
                    return last
                self._hung = [attempt for attempt in self._hung if attempt.is_running]
                if last.is_running:
                    if len(self._hung) + 1 >= self.MOST_HUNG:
                        return last
                    self._hung.append(last)
            self._attempt = Attempt(self._ask, seconds=self._seconds)
            return self._attempt
