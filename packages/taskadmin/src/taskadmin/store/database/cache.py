"""A per-process cache of expensive query results, by database."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

Value = TypeVar("Value")


class TimedCache(Generic[Value]):
    """Query results that expire after a fixed time, by database and key.

    Only for results that don't mislead anyone when they are stale: that there are more rows than
    are counted, why runs of a closed launch failed, the newest ten thousand of even more failures.
    Don't cache exact counts: someone who has just made a change would still see the old state.

    Args:
        seconds: How long a result is valid.
        most: Maximum results kept per database, since people may ask for anything.
        now: A monotonic clock, in seconds.
    """

    def __init__(
        self, *, seconds: float, most: int = 1_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with an empty cache."""
        self._seconds = seconds
        self._most = most
        self._now = now
        self._lock = Lock()
        # An engine that is garbage-collected takes its results with it.
        self._kept: WeakKeyDictionary[Engine, dict[Hashable, tuple[float, Value]]] = (
            WeakKeyDictionary()
        )

    def get(self, session: Session, key: Hashable) -> Value | None:
        """Return the cached result, or None if there is none or it has expired."""
        with self._lock:
            until, value = self._kept.get(_engine(session), {}).get(key, (0.0, None))
        return value if self._now() < until else None

    def set(self, session: Session, key: Hashable, value: Value) -> None:
        """Cache *value* from now on; a cached None looks like a missing result."""
        with self._lock:
            kept = self._kept.setdefault(_engine(session), {})
            kept.pop(key, None)  # keeps the dictionary ordered by age
            kept[key] = (self._now() + self._seconds, value)
            if len(kept) > self._most:
                del kept[next(iter(kept))]


def _engine(session: Session) -> Engine:
    return session.get_bind().engine
