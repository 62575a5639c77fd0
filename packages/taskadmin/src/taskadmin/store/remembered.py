"""What this process remembers of a database for some seconds, because finding it out again costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Answers by database and by what was asked.

    Only for answers that mislead nobody while they are old: that there are more rows than are
    counted, why runs of a launch that is over failed, the newest ten thousand of even more failures.
    What is counted whole is none of them: whoever has just changed something would look at what
    was before.

    Args:
        seconds: How long an answer is good for.
        most: Answers that are kept of one database; people may ask for anything.
        now: A clock in seconds that never goes back.
    """

    def __init__(
        self, *, seconds: float, most: int = 1_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is known yet."""
        self._seconds = seconds
        self._most = most
        self._now = now
        self._lock = Lock()
        # An engine that isn't used any more takes its answers with it.
        self._kept: WeakKeyDictionary[Engine, dict[Hashable, tuple[float, Value]]] = (
            WeakKeyDictionary()
        )

    def find(self, session: Session, asked: Hashable) -> Value | None:
        """The answer, unless there is none or it is too old."""
        with self._lock:
            until, value = self._kept.get(_engine(session), {}).get(asked, (0.0, None))
        return value if self._now() < until else None

    def keep(self, session: Session, asked: Hashable, value: Value) -> None:
        """Remember an answer from now on; None can't be told from no answer."""
        with self._lock:
            kept = self._kept.setdefault(_engine(session), {})
            kept.pop(asked, None)  # so that the oldest answer is always the first one
            kept[asked] = (self._now() + self._seconds, value)
            if len(kept) > self._most:
                del kept[next(iter(kept))]


def _engine(session: Session) -> Engine:
    return session.get_bind().engine
