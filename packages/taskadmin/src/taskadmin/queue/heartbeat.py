"""A process's row in the ledger, kept alive by a thread.

What a process executes is its own as long as the row is beaten. A process that
was silent for a lease is taken for gone; alive after all, it registers anew, and
what it claimed before belongs to whoever the reconciler gives it to.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from uuid import UUID, uuid4

from celery import Celery
from flask import Flask

from ..models import ProcessKind
from ..state import get_state
from ..store import claims, processes
from ..store.processes import Identity

log = logging.getLogger("taskadmin.heartbeat")

HOST = socket.gethostname()
#: This program's; processes that are forked from it have the same one.
BOOT = uuid4()


class Heartbeat:
    """Registers this process when its id is first asked for, or started, and beats its row."""

    def __init__(
        self, app: Flask, who: Identity, *, alive: Callable[[], bool] = lambda: True
    ) -> None:
        """Prepare; *alive* is asked before each beat whether the process does its work."""
        self._app = app
        self._who = who
        self._alive = alive
        self._lease = get_state(app).settings.lease_seconds
        self._id: UUID | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._given_back: list[tuple[int, UUID, str | None]] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Beat from now on, in a thread."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="taskadmin-heartbeat", daemon=True
            )
            self._thread.start()

    def process_id(self) -> UUID:
        """The id that claims are made under; registers the process if it has none."""
        with self._lock:
            if self._id is None:
                with self._app.app_context():
                    self._id = processes.register(get_state(self._app).session, self._who)
            process_id = self._id
        self.start()
        return process_id

    def renew(self) -> bool:
        """Beat now; True if this process was taken for gone and has another id from now on."""
        process_id = self.process_id()
        with self._app.app_context():
            if processes.beat(get_state(self._app).session, process_id):
                return False
        if self._stopped:
            return False  # it is gone because it says so itself
        log.warning("%s was taken for gone and registers anew", self._who.name)
        self._forget(process_id)
        self.process_id()
        return True

    def give_back(self, run_id: int, token: UUID, *, problem: str | None = None) -> None:
        """Let a run go that was claimed here and that nobody will finish; others keep theirs.

        It is done by the thread, as soon as the database can be reached.

        Args:
            problem: What went wrong, which is an attempt; None if the worker was told to stop.
        """
        with self._lock:
            self._given_back.append((run_id, token, problem))
        self._wake.set()
        self.start()

    def stop(self, reason: str) -> None:
        """Stop beating and note that the process stopped by itself, with its pool's children."""
        self._stopped = True
        self._wake.set()
        try:
            with self._app.app_context():
                processes.mark_stopped(get_state(self._app).session, self._who, reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out
            log.warning("It could not be noted that %s stops: %s", self._who.name, error)

    def _forget(self, process_id: UUID) -> None:
        with self._lock:
            if self._id == process_id:
                self._id = None

    def _run(self) -> None:
        silent = False
        while not self._stopped:
            self._wake.clear()
            try:
                if self._alive():
                    self.renew()
                self._hand_back()
                if silent:
                    log.info("The database is back")
                silent = False
            except Exception as error:  # noqa: BLE001 - a beat that fails must not end the thread
                if not silent:
                    log.warning("No heartbeat: %s", error)
                silent = True
            self._wake.wait(min(self._lease / 6, 5.0))

    def _hand_back(self) -> None:
        with self._lock:
            runs = list(self._given_back)
        for given in runs:
            run_id, token, problem = given
            with self._app.app_context():
                state = get_state(self._app)
                claims.hand_back(
                    state.session,
                    run_id,
                    token,
                    problem=problem,
                    lost_attempts=state.settings.lost_attempts,
                )
            with self._lock:
                self._given_back.remove(given)


#: By process, Celery application and whether it is beat's: one process may be worker and beat.
_heartbeats: dict[tuple[int, int, bool], Heartbeat] = {}


def begin(celery: Celery, heartbeat: Heartbeat, *, of_beat: bool = False) -> None:
    """Make *heartbeat* this process's, and start it."""
    _heartbeats[os.getpid(), id(celery), of_beat] = heartbeat
    heartbeat.start()


def current(celery: Celery, app: Flask, worker: str) -> Heartbeat:
    """This process's heartbeat; a pool's child gets one when it first executes something."""
    key = os.getpid(), id(celery), False
    found = _heartbeats.get(key)
    if found is None:
        who = Identity(
            ProcessKind.CHILD, worker, HOST, os.getpid(), parent_pid=os.getppid(), boot=BOOT
        )
        found = _heartbeats.setdefault(key, Heartbeat(app, who))
    return found


def end(celery: Celery, reason: str, *, of_beat: bool = False) -> None:
    """Stop this process's heartbeat, if it has one."""
    found = _heartbeats.pop((os.getpid(), id(celery), of_beat), None)
    if found is not None:
        found.stop(reason)
