"""Waiting for the database: what a worker does while it is away."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, stop_never
from tenacity.wait import wait_random_exponential

from ..store.outage import is_outage

log = logging.getLogger("taskadmin.worker")

T = TypeVar("T")

#: Longest wait between two tries, in seconds.
_MAX_WAIT = 3.0


def patiently(
    session: Session, do: Callable[[], T], *, what: str, seconds: float | None = None
) -> T:
    """Call *do* until the database is there for it.

    *do* must bear repetition: an answer may be lost after its statement was done.

    Args:
        what: Is being done, for the log: "Recording run 3".
        seconds: How long to try; None waits out anything.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The last error, when time is up; at once if it isn't
            an outage.
    """
    try:  # most calls needn't be repeated, and tenacity makes a dozen objects for each
        return do()
    except (SQLAlchemyError, SoftTimeLimitExceeded) as error:
        if not _may_pass(error):
            raise
        errors = [error]

    def again() -> T:
        if errors:
            raise errors.pop()
        return do()

    def before_sleep(state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        log.warning("%s waits for the database: %s", what, _short(error))
        # A broken connection must not be used again.
        with contextlib.suppress(SQLAlchemyError):
            session.close()

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_random_exponential(multiplier=0.1, max=_MAX_WAIT),
        stop=stop_never if seconds is None else stop_after_delay(seconds),
        before_sleep=before_sleep,
        reraise=True,
    )
    return retrying(again)


def _may_pass(error: BaseException) -> bool:
    # The job's soft time limit may fall into the recording of what it returned in time.
    return is_outage(error) or isinstance(error, SoftTimeLimitExceeded)


def _short(error: BaseException | None) -> str:
    """The first line of what the driver said."""
    text = str(getattr(error, "orig", None) or error or "").strip()
    return text.splitlines()[0] if text else type(error).__name__
