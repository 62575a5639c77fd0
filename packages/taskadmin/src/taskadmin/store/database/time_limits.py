"""Statement and lock timeouts for sessions that people wait for (PostgreSQL).

The settings apply to one transaction: they leak neither into the host's engine nor, behind a
pooler, to the connection's next client.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

_SET_LIMITS = text(
    "SELECT set_config('statement_timeout', :statement, true),"
    " set_config('lock_timeout', :lock, true),"
    # A process suspended inside a transaction must not hold its locks forever.
    " set_config('idle_in_transaction_session_timeout', '30s', true)"
)
_STATEMENT_LIMITED = text("SELECT set_config('statement_timeout', :statement, true)")
#: Keys of ``Session.info``: the limits, and a maximum for the next transaction's statements.
_LIMITS_KEY, _MAX_SECONDS_KEY = "taskadmin_time_limits", "taskadmin_at_most_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """How long to wait for statements and locks."""

    #: Maximum seconds for one statement.
    statement_seconds: float
    #: Maximum seconds to wait for a lock.
    lock_seconds: float
    #: Deadline of the response, by ``time.monotonic()``; None for no deadline.
    until: float | None = None

    def left_seconds(self) -> float:
        """Return the seconds left for a statement: at least one, so that the last can finish."""
        if self.until is None:
            return self.statement_seconds
        return min(self.statement_seconds, max(1.0, self.until - time.monotonic()))


def limit_time(session: Session, limits: TimeLimits) -> Callable[[], None]:
    """Apply *limits* to each transaction of *session*; return a function that stops this."""

    def limit(_session: Session, _transaction: object, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            seconds = min(limits.left_seconds(), session.info.get(_MAX_SECONDS_KEY, math.inf))
            given = {"statement": _setting(seconds), "lock": _setting(limits.lock_seconds)}
            connection.execute(_SET_LIMITS, given)

    def end() -> None:
        event.remove(session, "after_begin", limit)
        session.info.pop(_LIMITS_KEY, None)

    event.listen(session, "after_begin", limit)
    session.info[_LIMITS_KEY] = limits
    if session.in_transaction():  # the host already sent a query
        limit(session, None, session.connection())
    return end


def is_limited(session: Session) -> bool:
    """Whether ``limit_time`` applies to *session*."""
    return _LIMITS_KEY in session.info


def limit_statements(session: Session, *, seconds: float) -> None:
    """Start a transaction with a statement timeout of *seconds*, or the session's if shorter."""
    limits: TimeLimits | None = session.info.get(_LIMITS_KEY)
    is_new = limits is not None and not session.in_transaction()
    session.info[_MAX_SECONDS_KEY] = seconds
    try:
        connection = session.connection()
    finally:
        del session.info[_MAX_SECONDS_KEY]
    if connection.dialect.name == "postgresql" and not is_new:
        if limits is not None:
            seconds = min(seconds, limits.left_seconds())
        connection.execute(_STATEMENT_LIMITED, {"statement": _setting(seconds)})


def _setting(seconds: float) -> str:
    return f"{max(1.0, seconds * 1000):.0f}"  # milliseconds; 0 would disable the timeout
