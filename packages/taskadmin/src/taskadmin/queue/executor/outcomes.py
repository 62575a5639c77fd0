"""Decide a run's next state after its job was called, and log outcomes."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...store.database.outage import first_line
from ...store.runs.attempt_log import delay_after_loss, with_last_attempt
from ...store.runs.outcome import Outcome
from ...store.runs.outcome_columns import FinishedRun, TakenRun
from ...store.tasks import pauses

log = logging.getLogger("taskadmin.worker")


def retry_delay(run: TakenRun) -> timedelta | None:
    """Return the delay before the next attempt; None if there is none."""
    job = all_jobs().get(run.job)
    if job is None or run.attempts >= run.max_attempts:
        return None
    return timedelta(seconds=job.delay_after(run.attempts))


def failure_if_refused(one: FinishedRun, error: BaseException) -> FinishedRun:
    """Replace an outcome that the database would refuse every time by a failure."""
    outcome = Outcome(
        worker=one.outcome.worker,
        elapsed=one.outcome.elapsed,
        error_type="UnstorableResult",
        error=f"The database refused the outcome: {first_line(error)}",
    )
    return FinishedRun(one.run, outcome, one.retry_delay or retry_delay(one.run))


def over_time(run: TakenRun, worker: str, limit: float, since: float) -> FinishedRun:
    """Return the outcome of a run whose function reached its job's time limit.

    Args:
        since: When the function began, by ``time.monotonic()``.
    """
    error = f"It took longer than the job's limit of {limit:g} s."
    last = run.attempts >= run.max_attempts
    outcome = Outcome(
        worker=worker,
        elapsed=timedelta(seconds=time.monotonic() - since),
        error_type="TimeLimitExceeded",
        error=with_last_attempt(error, run.attempts, run.max_attempts) if last else error,
    )
    return FinishedRun(run, outcome, None if last else delay_after_loss(run.attempts))


def log_outcomes(done: Sequence[FinishedRun], recorded: Collection[int]) -> None:
    """Log outcomes: failures one by one, successes together."""
    succeeded = []
    for one in done:
        run, outcome = one.run, one.outcome
        ids = {"run_id": run.id, "task_id": run.task_id, "launch_id": run.launch_id}
        if run.id not in recorded:
            log.warning("Run %d was already ended; its outcome is dropped", run.id, extra=ids)
        elif outcome.error_type is None:
            succeeded.append((one, ids))
        else:
            log.error(
                "Run %d of task %d failed: %s", run.id, run.task_id, outcome.error_type, extra=ids
            )
    if len(succeeded) > 1:
        log.info("%d runs succeeded", len(succeeded))
    for one, ids in succeeded if len(succeeded) == 1 else ():
        log.info(
            "Run %d of task %d succeeded after %.0f ms",
            one.run.id,
            one.run.task_id,
            one.outcome.elapsed.total_seconds() * 1000,
            extra=ids,
        )


def pause_after_failures(session: Session, task_id: int) -> None:
    """Pause a task if its runs failed too often in a row."""
    try:
        if pauses.pause_after_failures(session, task_id):
            log.warning("Task %d is paused: its runs failed too often", task_id)
    except SQLAlchemyError as error:
        # The run is recorded; the next failure checks again.
        log.warning("Can't check whether to pause task %d: %s", task_id, first_line(error))
