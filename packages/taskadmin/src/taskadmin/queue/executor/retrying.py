"""Retry while the database is unreachable or a connection fails."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...store.database.outage import ErrorKind, first_line, kind_of
from ...store.database.transaction import end_failed
from .calling import ends_the_worker

log = logging.getLogger("taskadmin.worker")

T = TypeVar("T")

#: Maximum seconds between two attempts.
_MAX_WAIT_SECONDS = 3.0
#: Seconds of retries for errors that aren't outages: a deadlock, a lost prepared statement.
_RETRY_SECONDS = 30.0


def with_retries(
    session: Session, do: Callable[[], T], *, what: str, seconds: float | None = None
) -> T:
    """Call *do*, and retry it while the database is unreachable.

    *do* must be repeatable: a response may be lost after the statement was executed.

    Args:
        what: The action, for the log: "Recording run 3".
        seconds: How long to wait for the database; None waits without limit.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The last error, when time is up; at once if neither waiting
            nor another connection helps.
    """
    longest_wait, began = 0.1, None
    while True:
        try:
            return do()
        except BaseException as error:
            if not _may_pass(error):
                raise
            waits = kind_of(error) is ErrorKind.WAIT
            limit = seconds if waits or seconds is not None else _RETRY_SECONDS
            began = time.monotonic() if began is None else began
            if limit is not None and time.monotonic() - began >= limit:
                raise
            does = "waits for the database" if waits else "is retried"
            log.warning("%s %s: %s", what, does, first_line(error))
            # A broken connection must not be used again.
            with contextlib.suppress(SQLAlchemyError):
                end_failed(session, error)
                session.close()
        # Random, because all workers start waiting at the same time.
        time.sleep(random.uniform(0, longest_wait))  # noqa: S311 - no secret
        longest_wait = min(2 * longest_wait, _MAX_WAIT_SECONDS)


def _may_pass(error: BaseException) -> bool:
    if kind_of(error) in (ErrorKind.WAIT, ErrorKind.RECONNECT):
        return True
    # The job's own exceptions may arrive after it has returned: its soft time limit, or a
    # gevent.Timeout that it started and didn't cancel.
    is_the_jobs = isinstance(error, SoftTimeLimitExceeded) or not isinstance(error, Exception)
    return is_the_jobs and not ends_the_worker(error)
