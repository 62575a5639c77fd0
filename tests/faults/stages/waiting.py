"""Wait for events and check facts, with an error if they don't hold."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from ..catalogue import TooLate, Unexpected
from ..mode import current_mode

T = TypeVar("T")

#: Set on Ctrl-C, which ends all waiting.
STOPPING = threading.Event()


class Waits:
    """Wait for events and check facts in scenarios."""

    def __init__(self) -> None:
        self.fault_ended: float | None = None

    def wait(self, look: Callable[[], T | None], what: str, *, seconds: float = 30.0) -> T:
        """Call *look* until it returns a true value, and return that."""
        seconds *= current_mode().patience
        deadline = time.monotonic() + seconds
        while True:
            found = None
            with contextlib.suppress(psycopg.OperationalError):
                found = look()
            if found:
                return found
            if STOPPING.is_set():
                raise Unexpected("the suite is ending")
            if time.monotonic() > deadline:
                raise Unexpected(f"timed out after {seconds:g} s waiting for {what}")
            time.sleep(0.05)

    def expect(self, fact: object, otherwise: str) -> None:
        """Raise ``Unexpected`` with *otherwise* unless *fact* holds."""
        if not fact:
            raise Unexpected(otherwise)

    def expect_in_time(self, fact: object, otherwise: str) -> None:
        """Raise ``TooLate`` unless *fact* holds, so that the fault is repeated."""
        if not fact:
            raise TooLate(otherwise)

    def ended(self) -> None:
        """Record that the fault has ended; by default it ends at the scenario's ``yield``."""
        self.fault_ended = time.time()

    def sleep(self, seconds: float) -> None:
        """Let the fault last for *seconds*."""
        if STOPPING.wait(seconds):
            raise Unexpected("the suite is ending")
