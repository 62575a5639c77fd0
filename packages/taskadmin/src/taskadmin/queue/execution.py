"""What a worker does with a run: read it, run the job, record what came of it."""

from __future__ import annotations

import logging
import time
import traceback
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from ..jobs import get_job
from ..store import results
from ..store.results import OpenRun, Outcome

log = logging.getLogger("taskadmin.worker")


def execute(session: Session, run_id: int, due_at: datetime, *, worker: str) -> bool:
    """Execute the run that a message means; False if there was nothing to do.

    The message is a hint: job and arguments come from the row, and a run that is
    finished, cancelled or deleted is left alone. No transaction is open while the
    job runs.
    """
    run = results.open_run(session, run_id, due_at)
    ids = {"run_id": run_id}
    if run is None:
        log.info("Run %d is finished or gone; its message is dropped", run_id, extra=ids)
        return False
    ids |= {"task_id": run.task_id, "launch_id": run.launch_id}
    outcome = _run_job(run, worker)
    if not results.complete_unclaimed(session, run_id, due_at, outcome):
        log.warning("Run %d was recorded by somebody else", run_id, extra=ids)
        return False
    if outcome.error_type is None:
        log.info(
            "Run %d of task %d succeeded after %.0f ms",
            run_id,
            run.task_id,
            outcome.elapsed.total_seconds() * 1000,
            extra=ids,
        )
    else:
        log.error(
            "Run %d of task %d failed: %s", run_id, run.task_id, outcome.error_type, extra=ids
        )
    return True


def _run_job(run: OpenRun, worker: str) -> Outcome:
    begun = time.monotonic()
    value: Any = None
    error_type = error = None
    try:
        value = get_job(run.job).call(run.task_params)
    except Exception as problem:  # noqa: BLE001 - whatever people's code raises fails the run
        error_type = f"{type(problem).__module__}.{type(problem).__qualname__}".removeprefix(
            "builtins."
        )
        error = "".join(traceback.format_exception(problem))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Outcome(
        worker=worker,
        elapsed=timedelta(seconds=time.monotonic() - begun),
        result=value if number else None,
        output=None if number else value,
        error_type=error_type,
        error=error,
    )
