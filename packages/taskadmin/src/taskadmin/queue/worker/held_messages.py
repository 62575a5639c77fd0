"""Detect messages of runs that a worker holds without progress.

Such a worker sends heartbeats and looks healthy from outside, but accepts no more messages.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from celery.worker import state
from sqlalchemy.orm import Session

from ...store.upkeep import processes
from . import limits
from .request import LedgerRequest

#: Seconds after which an action that should be immediate is reported.
_MAX_ACTION_SECONDS = 60.0


class HeldMessages:
    """Checks a worker's messages from time to time."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        #: When each message was first seen waiting and first seen executing, by
        #: ``time.monotonic()``.
        self._since: dict[tuple[str, bool], float] = {}
        self._idle_since: float | None = None

    def look(self, session: Session) -> str | None:
        """Return the problem, or None."""
        try:
            active, reserved = list(state.active_requests), list(state.reserved_requests)
        except RuntimeError:  # they changed during the copy, so there is progress
            return None
        now = time.monotonic()
        waiting = [one for one in reserved if one not in active and isinstance(one, LedgerRequest)]
        ours = [one for one in active if isinstance(one, LedgerRequest)]
        present = [(one.id, False) for one in waiting] + [(one.id, True) for one in ours]
        self._since = {key: self._since.get(key, now) for key in present}
        held = {one: now - self._since[one.id, True] for one in ours}
        return (
            self._waits(waiting, len(active), now)
            or _beyond_its_limit()
            or _over(
                session, [one for one, seconds in held.items() if seconds > _MAX_ACTION_SECONDS]
            )
        )

    def _waits(self, waiting: Collection[LedgerRequest], active: int, now: float) -> str | None:
        number = self._pool.num_processes or 1
        if active >= number:
            self._idle_since = None
            return None
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since <= _MAX_ACTION_SECONDS:
            return None
        long = [one for one in waiting if now - self._since[one.id, False] > _MAX_ACTION_SECONDS]
        if not long:
            return None
        return (
            f"It has held {_messages(len(long))} for more than a minute without starting,"
            f" although it executes {active} of at most {number} at once."
        )


def _beyond_its_limit() -> str | None:
    longest = limits.longest_beyond_limit(_MAX_ACTION_SECONDS)
    if longest is None:
        return None
    run, seconds = longest
    return f"{run} has been running for {seconds:.0f} s, beyond its job's limit of {run.hard:g} s."


def _over(session: Session, held: Collection[LedgerRequest]) -> str | None:
    runs = {one.args[0]: one for one in held if one.args and isinstance(one.args[0], int)}
    ago = timedelta(seconds=_MAX_ACTION_SECONDS)
    over = processes.finished_among(session, runs, before=ago) if runs else []
    if not over:
        return None
    return f"It still holds the message of run {over[0]}, which finished more than a minute ago."


def _messages(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
