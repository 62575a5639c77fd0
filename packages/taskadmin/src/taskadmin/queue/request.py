"""What a worker's main process sees of its pool: children that died, or took too long."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError, Terminated, WorkerLostError
from celery.worker import state
from celery.worker.request import Request
from celery.worker.strategy import default

from ..models import ProcessEnd
from ..state import get_state
from ..store import processes
from .context import flask_app_of
from .heartbeat import HOST

log = logging.getLogger("taskadmin.worker")


def checked_strategy(celery_task: Any, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's way to take a message, for messages of any shape.

    One that isn't Celery's is rejected with a line in the log; it would otherwise end the
    whole worker.
    """
    take: Callable[..., Any] = default(celery_task, app, consumer, **options)

    def take_checked(*arguments: Any, **options: Any) -> Any:
        try:
            return take(*arguments, **options)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InvalidTaskError(f"it can't be read: {error}") from error

    return take_checked


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
        # In a thread: this is the loop that talks with the broker.
        threading.Thread(
            target=_mark_gone, args=(self.app, pid, ending, reason), daemon=True
        ).start()


def _mark_gone(celery: Any, pid: int, ending: ProcessEnd, reason: str) -> None:
    app = flask_app_of(celery)
    try:
        with app.app_context():
            processes.mark_gone_by_pid(get_state(app).session, HOST, [pid], ending, reason)
    except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out
        log.warning("It could not be noted that process %d is gone: %s", pid, error)
