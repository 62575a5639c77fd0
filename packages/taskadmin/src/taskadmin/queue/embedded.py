"""Launcher, worker and beat as threads of this process, without any server.

For demos, tests and sites of one process: Celery's in-memory broker lives and
dies with the process, and the database keeps what was queued.
"""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any, Self

import celery.worker.state
from celery._state import _set_task_join_will_block
from celery.beat import EmbeddedService, Scheduler
from celery.exceptions import SecurityWarning
from flask import Flask

from ..errors import RegistrationError
from ..state import get_state
from ..store import recovery, results
from .celery_tasks import tick
from .lifecycle import beat_ends
from .names import LAUNCH_QUEUE
from .publisher import Publisher, set_aside

log = logging.getLogger("taskadmin.embedded")

#: Celery settings for ``app.config["CELERY"]`` of an application that runs embedded.
EMBEDDED_CELERY: dict[str, Any] = {
    "broker_url": "memory://localhost/",
    "result_backend": "disabled://",
    # Seconds between two looks of the in-memory transport for messages.
    "broker_transport_options": {"polling_interval": 0.05},
}


class EmbeddedProcesses:
    """The threads. ``with EmbeddedProcesses(app): …`` starts and stops them."""

    def __init__(self, app: Flask, *, beat: bool = True) -> None:
        """Prepare for *app*; without *beat* nothing happens but at ``tick()``."""
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
        """Start worker (which is the launcher too) and beat, and send what an earlier process left."""
        if self._celery.connection_for_write().transport_cls != "memory":
            raise RegistrationError(
                "EmbeddedProcesses needs the in-memory broker: set CELERY to EMBEDDED_CELERY."
            )
        self._resend()
        with warnings.catch_warnings():
            # Celery warns root of messages from strangers; here they come from this process.
            warnings.simplefilter("ignore", SecurityWarning)
            worker = self._celery.Worker(
                pool="solo",
                quiet=True,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
        self._worker = threading.Thread(target=worker.start, name="taskadmin-worker", daemon=True)
        self._worker.start()
        if self._with_beat:
            self._beat = EmbeddedService(self._celery, thread=True, scheduler_cls=Scheduler)
            self._beat.start()
        self.tick()  # beat's first one comes after a whole interval
        log.info("Launcher, worker and beat run inside this process")

    def tick(self) -> None:
        """Let the launcher look for work now."""
        self._celery.tasks[tick.name].apply_async(queue=LAUNCH_QUEUE, ignore_result=True)

    def stop(self) -> None:
        """Stop beat and worker; what is queued stays in the database for the next start."""
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
            beat_ends(self._celery)
        if self._worker is not None:
            celery.worker.state.should_stop = 0
            self._worker.join(timeout=10)
            celery.worker.state.should_stop = None
            # The worker noted for the whole process that nobody may wait for a reply in it.
            _set_task_join_will_block(False)
            self._worker = None
        log.info("Launcher, worker and beat have stopped")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _resend(self) -> None:
        """Send the queued runs of an earlier process: their messages died with it."""
        with (
            self._app.app_context(),
            Publisher(
                self._celery, timeout_seconds=self._settings.publish_timeout_seconds
            ) as publisher,
        ):
            session = get_state().session
            after = 0
            while runs := results.sent_but_open(session, after_id=after, limit=500):
                publisher.send(runs)
                after = runs[-1].id
                set_aside(session, publisher, runs)
                sent = [run.id for run in runs if run.queue not in publisher.refused]
                recovery.note_sent(session, sent)
