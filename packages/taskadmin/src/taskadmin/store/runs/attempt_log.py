"""Attempts of a run: its attempt log, and the next state after a lost attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ...models import ProcessEnd, RunState
from ...values.tracebacks import last_lines
from .outcome import Outcome

#: Number of newest attempts to keep in a run's log.
LOG_LENGTH = 20
#: Maximum length of an attempt's error text, in characters; the run itself keeps more.
LOG_ERROR_LENGTH = 2_000

_LONGEST_DELAY = timedelta(minutes=5)


def with_attempt(
    log: Sequence[object] | None,
    attempt: int,
    started_at: datetime | None,
    ended_at: datetime,
    outcome: Outcome,
) -> list[Any]:
    """Append an attempt to a run's log; times are ISO 8601 in UTC."""
    entry = {
        "attempt": attempt,
        "started_at": started_at and started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "worker": outcome.worker,
        "error_type": outcome.error_type,
        "error": outcome.error and last_lines(outcome.error, LOG_ERROR_LENGTH),
    }
    return [*(log or ()), entry][-LOG_LENGTH:]


def delay_after_loss(attempts: int) -> timedelta:
    """Return how long a run waits after its worker failed or died, after *attempts* attempts.

    After an attempt that failed in the job, the job's own retry delay applies.
    """
    return min(timedelta(seconds=0.5 * 2 ** min(attempts, 20)), _LONGEST_DELAY)


def lost_attempt(
    row: Any, moment: datetime, kind: str, problem: str, allowed: int
) -> dict[str, Any]:
    """Return the new column values of a run whose attempt was lost: queued again, or failed."""
    outcome = Outcome(
        worker=row.worker or "",
        elapsed=moment - (row.started_at or moment),
        error_type=kind,
        error=problem,
    )
    again = row.attempts < allowed
    return {
        "run_id": row.id,
        "state": RunState.QUEUED if again else RunState.FAILED,
        "attempts": row.attempts,
        "process_id": None,
        "not_before": moment + delay_after_loss(row.attempts) if again else None,
        "finished_at": None if again else moment,
        "error_type": None if again else outcome.error_type,
        "error": None if again else with_last_attempt(outcome.error, row.attempts, allowed),
        "attempt_log": with_attempt(row.attempt_log, row.attempts, row.started_at, moment, outcome),
    }


def uncharged(row: Any, moment: datetime) -> dict[str, Any]:
    """Return the new column values of a run whose lost attempt doesn't count."""
    unchanged = dict.fromkeys(("process_id", "finished_at", "error_type", "error"))
    return {
        **unchanged,
        "run_id": row.id,
        "state": RunState.QUEUED,
        "attempts": row.attempts - 1,
        "not_before": moment,
        "attempt_log": row.attempt_log,
    }


def lost_with_process(row: Any, moment: datetime, lost_attempts: int) -> dict[str, Any]:
    """Return the new column values of a run whose process is gone.

    A run over its job's time limit has the job's attempts; one whose process died has
    *lost_attempts*, or the job's attempts if these are more.
    """
    reason = row.reason or "The process that executed it is gone."
    if row.ending == ProcessEnd.TIME_LIMIT:
        return lost_attempt(row, moment, "TimeLimitExceeded", reason, row.max_attempts)
    allowed = max(row.max_attempts, lost_attempts)
    return lost_attempt(row, moment, "WorkerLost", reason, allowed)


def with_last_attempt(error: str | None, attempt: int, allowed: int) -> str:
    """Append to an error's text that this was the last attempt."""
    return f"{error} Attempt {attempt} of {allowed}: no more retries."
