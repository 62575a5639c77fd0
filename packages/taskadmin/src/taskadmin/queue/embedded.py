"""Launcher, worker and beat as threads of one process, without a server.

For demos, tests and single-process sites: Celery's in-memory broker lives and dies with the
process, and the database keeps queued runs.
"""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any, Self

import celery.worker.state
from celery.beat import EmbeddedService
from celery.concurrency import solo
from celery.exceptions import SecurityWarning
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from ..errors import RegistrationError
from ..state import get_state
from ..store.database.outage import first_line, is_outage
from ..store.database.transaction import end_failed
from ..store.runs import results
from .beat_scheduler import EmbeddedScheduler
from .celery_app.queues import LAUNCH_QUEUE
from .celery_tasks import tick
from .publishing.publisher import Publisher
from .publishing.sending import send_again
from .worker.lifecycle import beat_ends

log = logging.getLogger("taskadmin.embedded")

#: Celery settings for ``app.config["CELERY"]`` of an application that runs embedded.
EMBEDDED_CELERY: dict[str, object] = {
    "broker_url": "memory://localhost/",
    "result_backend": "disabled://",
    # Polling interval of the in-memory transport, in seconds.
    "broker_transport_options": {"polling_interval": 0.05},
}


class _Pool(solo.TaskPool):  # type: ignore[misc]  # Celery has no types
    """Executes in the worker's thread; other threads of the process may wait for replies."""

    # Otherwise Celery forbids waiting for replies in the whole process.
    task_join_will_block = False


class EmbeddedProcesses:
    """The threads; ``with EmbeddedProcesses(app): …`` starts and stops them."""

    def __init__(self, app: Flask, *, beat: bool = True) -> None:
        """Prepare for *app*; without *beat*, only ``tick()`` triggers work."""
        state = get_state(app)
        if state.celery is None:
            raise RegistrationError(
                "Nothing to run: call TaskQueue().init_app(app) before EmbeddedProcesses(app)."
            )
        self._app = app
        self._celery = state.celery
        self._settings = state.settings
        self._worker: threading.Thread | None = None
        self._with_beat = beat
        self._beat: Any = None

    def start(self) -> None:
        """Start worker (also the launcher) and beat, and resend runs of an earlier process."""
        if self._celery.connection_for_write().transport_cls != "memory":
            raise RegistrationError(
                "EmbeddedProcesses needs the in-memory broker: set CELERY to EMBEDDED_CELERY."
            )
        self._resend()
        with warnings.catch_warnings():
            # Celery warns root about messages from strangers; here they come from this process.
            warnings.simplefilter("ignore", SecurityWarning)
            worker = self._celery.Worker(
                pool=_Pool,
                quiet=True,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
        self._worker = threading.Thread(target=worker.start, name="taskadmin-worker", daemon=True)
        self._worker.start()
        if self._with_beat:
            self._beat = EmbeddedService(self._celery, thread=True, scheduler_cls=EmbeddedScheduler)
            self._beat.start()
        self.tick()  # beat's first tick comes after a whole interval
        log.info("Launcher, worker and beat run in this process")

    def tick(self) -> None:
        """Trigger a launcher's turn now."""
        self._celery.tasks[tick.name].apply_async(queue=LAUNCH_QUEUE, ignore_result=True)

    def stop(self) -> None:
        """Stop beat and worker; queued runs stay in the database for the next start."""
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
            beat_ends(self._celery)
        if self._worker is not None:
            celery.worker.state.should_stop = 0
            self._worker.join(timeout=10)
            celery.worker.state.should_stop = None
            self._worker = None
        log.info("Launcher, worker and beat have stopped")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _resend(self) -> None:
        """Send the queued runs of an earlier process again, whose messages died with it."""
        with (
            self._app.app_context(),
            Publisher(
                self._celery, timeout_seconds=self._settings.publish_timeout_seconds
            ) as publisher,
        ):
            session = get_state().session
            after = 0
            try:
                while runs := results.sent_but_open(session, after_id=after, limit=500):
                    send_again(session, publisher, runs)
                    after = runs[-1].id
            except SQLAlchemyError as error:
                if not is_outage(error):
                    raise
                # A full disk must not stop the host; the launcher sends the remaining runs.
                end_failed(session, error)
                log.warning(
                    "Runs of an earlier process wait for the launcher: %s", first_line(error)
                )
