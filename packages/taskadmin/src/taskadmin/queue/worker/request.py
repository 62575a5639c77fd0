"""Celery requests of runs: how the worker's main process handles died children."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, ClassVar

from celery.exceptions import Ignore, Reject, Terminated, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from ...models import ProcessEnd
from ...state import get_state
from ...store.upkeep import processes
from ..celery_app.context import flask_app_of
from .heartbeat import BOOT_ID
from .limits import TERMINATED_ERROR
from .overseer import Ended, overseer

log = logging.getLogger("taskadmin.worker")

#: A limit instead of none, in seconds, if the host's limit would apply otherwise. Celery's event
#: loop remembers every message this long, so it can't be infinite.
_NO_LIMIT = 2 * 3600.0
#: Seconds of retries to mark a process gone, and between two attempts.
_MARK_SECONDS, _MARK_RETRY_SECONDS = 600.0, 2.0


class GivenBack(Ignore):  # type: ignore[misc]  # Celery has no types
    """Raised by the Celery tasks of runs to requeue their message.

    For a ``Reject``, Celery would log a traceback, with the statement that failed.
    """


class LedgerRequest(Request):  # type: ignore[misc]  # Celery has no types
    """A message whose pool process is marked gone as soon as its death is seen.

    The reconciler would notice when the lease expires; this is sooner, and distinguishes a time
    limit from an accident.

    Celery enforces no time limits for it, neither the host's nor those that older launchers put
    into
    messages: they would include reading and recording (``limits``).
    """

    #: Whether ``worker_pid`` is a process of the pool; otherwise it identifies a green thread, or
    #: this process.
    pool_has_processes: ClassVar[bool] = False
    #: Whether the pool has default limits: the host's, for its own Celery tasks.
    pool_has_limits: ClassVar[bool] = True
    #: Whether Celery ended the child: ``cancel`` when it stops, ``terminate`` on a user's request.
    was_cancelled = was_terminated = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        none = _NO_LIMIT if self.pool_has_limits else None
        self.time_limits = none, none

    def cancel(self, *arguments: object, **options: object) -> None:
        self.was_cancelled = True
        super().cancel(*arguments, **options)

    def terminate(self, *arguments: object, **options: object) -> None:
        self.was_terminated = True
        super().terminate(*arguments, **options)

    def run_ids(self) -> set[int]:
        """Return the ids of its runs."""
        try:
            match self.args:
                case [int() | str() as run_id, str()]:
                    return {int(run_id)}
                case pairs:
                    return {int(run_id) for _, run_ids in pairs for run_id in run_ids}
        except (TypeError, ValueError):
            return set()  # the message is invalid

    def on_failure(self, exc_info: Any, *arguments: Any, **options: Any) -> Any:
        problem = exc_info.exception
        problem = getattr(problem, "exc", problem)  # unpack it like Celery after pickling
        if isinstance(problem, GivenBack):
            exc_info.exception = Reject(requeue=True)
        elif isinstance(problem, WorkerLostError | Terminated | SystemExit):
            ended = self.worker_pid and overseer.why_ended(self.worker_pid)
            if not ended:
                ended = Ended(ProcessEnd.LOST, f"Its process died: {problem}", is_given_back=False)
            elif isinstance(problem, WorkerLostError):  # Celery would log two tracebacks
                exc_info.exception = Ignore() if ended.is_given_back else Reject(requeue=True)
            self._child_is_gone(ended.ending, ended.reason)
        return super().on_failure(exc_info, *arguments, **options)

    def _child_is_gone(self, ending: ProcessEnd, reason: str) -> None:
        pid = self.worker_pid
        if pid is None or not self.pool_has_processes:
            return
        if self.was_cancelled or state.should_terminate is not None:
            ending, reason = ProcessEnd.STOPPED, "Its worker was told to stop."
        elif self.was_terminated:
            ending, reason = ProcessEnd.STOPPED, TERMINATED_ERROR
        # In a thread, since this is the event loop.
        threading.Thread(
            target=_mark_gone, args=(self.app, pid, ending, reason), daemon=True
        ).start()


def _mark_gone(celery: object, pid: int, ending: ProcessEnd, reason: str) -> None:
    app = flask_app_of(celery)
    until = time.monotonic() + _MARK_SECONDS
    while True:
        try:
            with app.app_context():
                processes.mark_gone_by_pid(get_state(app).session, BOOT_ID, [pid], ending, reason)
        except Exception as error:  # noqa: BLE001 - otherwise, the lease expires
            log.warning("Can't mark process %d as gone: %s", pid, error)
            if time.monotonic() > until:
                return
            time.sleep(_MARK_RETRY_SECONDS)
        else:
            return
