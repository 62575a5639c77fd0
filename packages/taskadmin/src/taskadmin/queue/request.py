"""What a worker's main process sees of its pool: children that died, or took too long."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery.exceptions import Terminated, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from ..models import ProcessEnd
from ..state import get_state
from ..store import processes
from .context import flask_app_of
from .heartbeat import BOOT

log = logging.getLogger("taskadmin.worker")


class LedgerRequest(Request):  # type: ignore[misc]  # Celery has no types
    """A message whose child of the pool is noted as gone the moment that it is seen.

    The reconciler would find out by itself when the lease runs out; this is sooner, and
    tells a time limit from an accident.
    """

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            self._child_is_gone(
                ProcessEnd.TIME_LIMIT, f"It took longer than the job's limit of {timeout:g} s."
            )
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *arguments: Any, **options: Any) -> Any:
        problem = exc_info.exception
        problem = getattr(problem, "exc", problem)  # as Celery unpacks what pickling wrapped
        if isinstance(problem, WorkerLostError | Terminated | SystemExit):
            self._child_is_gone(ProcessEnd.LOST, f"Its process died: {problem}")
        return super().on_failure(exc_info, *arguments, **options)

    def _child_is_gone(self, ending: ProcessEnd, reason: str) -> None:
        pid = self.worker_pid
        if pid is None or pid == os.getpid():
            return
        if self._already_cancelled or state.should_terminate is not None:
            ending, reason = ProcessEnd.STOPPED, "Its worker was told to stop."
        elif self._already_revoked:
            ending, reason = ProcessEnd.STOPPED, "A person terminated its run."
        # In a thread: this is the loop that talks with the broker.
        threading.Thread(
            target=_mark_gone, args=(self.app, pid, ending, reason), daemon=True
        ).start()


def _mark_gone(celery: Any, pid: int, ending: ProcessEnd, reason: str) -> None:
    app = flask_app_of(celery)
    try:
        with app.app_context():
            processes.mark_gone_by_pid(get_state(app).session, BOOT, [pid], ending, reason)
    except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out
        log.warning("It could not be noted that process %d is gone: %s", pid, error)
