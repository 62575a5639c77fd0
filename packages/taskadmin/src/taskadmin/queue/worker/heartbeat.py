"""A process's row in the database, kept alive by a thread.

A process owns the runs that it executes as long as it sends heartbeats. A process that was silent
for a lease is marked gone; if it is still alive, it registers again, and its earlier claims belong
to the workers that the reconciler gives them to.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID, uuid4

from celery import Celery
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...models import ProcessEnd, ProcessKind
from ...state import get_state
from ...store.database.outage import ErrorKind, first_line, kind_of
from ...store.database.rights import LACKS_A_RIGHT, Lacking, RolePurpose, lacking_rights, log_once
from ...store.database.transaction import reading
from ...store.runs import transitions
from ...store.upkeep import processes
from ...store.upkeep.processes import ProcessIdentity
from .silence import SilenceWatch

log = logging.getLogger("taskadmin.heartbeat")

HOST_NAME = socket.gethostname()
#: Identifies this program; forked processes have the same value.
BOOT_ID = uuid4()
#: Work that may fail because of a missing right: see ``Heartbeat.note_missing_right``.
RUN_WORK, LAUNCH_WORK = "runs", "launches"
#: The privileges that a process needs; a worker's children need the same as the worker.
_PURPOSES = {ProcessKind.LAUNCHER: RolePurpose.PAGES, ProcessKind.BEAT: RolePurpose.BEAT}
#: Maximum seconds to wait for the database when a pool's process exits.
_EXIT_SECONDS = 2.0
#: Timeout of the check of rights, in seconds.
_CHECK_SECONDS = 2.0


class Heartbeat:
    """Registers this process on first use or start, and sends heartbeats."""

    def __init__(
        self,
        app: Flask,
        who: ProcessIdentity,
        *,
        alive: Callable[[], bool] = lambda: True,
        trouble: Callable[[Session], str | None] = lambda _: None,
    ) -> None:
        """Prepare the heartbeat without registering.

        Args:
            alive: Called before each heartbeat: whether the process does its work.
            trouble: Called before each heartbeat: a problem to report, or None.
        """
        self._app = app
        self._who = who
        self._alive = alive
        self._trouble = trouble
        self._lease = get_state(app).settings.lease_seconds
        self._id: UUID | None = None
        self._lock = threading.Lock()
        self._stopped = False
        #: The database's errors about missing rights, by the work that needs them.
        self._lacks: dict[str, str] = {}
        self._given_back: list[tuple[int, UUID, str | None]] = []
        self._wake = threading.Event()
        # The children of a pool leave this to their worker.
        self._silence = None if who.kind is ProcessKind.CHILD else SilenceWatch(app)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start sending heartbeats, in a thread."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="taskadmin-heartbeat", daemon=True
            )
            self._thread.start()

    def process_id(self) -> UUID:
        """Return the process id for claims; register the process if needed."""
        with self._lock:
            if self._id is None:
                with self._app.app_context():
                    self._id = processes.register_process(get_state(self._app).session, self._who)
            process_id = self._id
        self.start()
        return process_id

    def renew(self) -> bool:
        """Send a heartbeat; return True if this process was marked gone and got another id."""
        process_id = self.process_id()
        with self._app.app_context():
            session = get_state(self._app).session
            trouble = self._still_lacks(session) or self._trouble(session)
            if processes.record_heartbeat(session, process_id, trouble):
                return False
        if self._stopped:
            return False  # it marked itself gone
        log.warning("%s was marked gone and registers again", self._who.name)
        self._forget(process_id)
        self.process_id()
        return True

    def note_missing_right(self, lacks: str | None, *, of: str) -> None:
        """Report a missing right from now on; None if the work has succeeded.

        Args:
            lacks: The database's error.
            of: The work that needs it: ``RUN_WORK`` or ``LAUNCH_WORK``.
        """
        if lacks is None:
            self._lacks.pop(of, None)
            return
        self._lacks[of] = lacks
        self._wake.set()
        self.start()

    def _still_lacks(self, session: Session) -> str | None:
        """Return the missing right; forget it once no right that could be granted is missing."""
        if self._lacks:
            with contextlib.suppress(SQLAlchemyError):  # the heartbeat is more important
                if not self._rights(session):
                    self._lacks.clear()
        noted = list(self._lacks.values())
        return f"{LACKS_A_RIGHT}: {noted[0]}" if noted else None

    def _rights(self, session: Session) -> Sequence[Lacking]:
        with reading(session, seconds=_CHECK_SECONDS):
            return lacking_rights(session, _PURPOSES.get(self._who.kind, RolePurpose.WORKER))

    def _log_missing_rights(self, error: Exception) -> None:
        """Log the rights that the role needs: it can't write its row."""
        if self._who.kind is ProcessKind.CHILD:
            return  # its worker has the same role
        grants: list[str] = []
        with contextlib.suppress(SQLAlchemyError), self._app.app_context():
            grants = [one.grant for one in self._rights(get_state(self._app).session)]
        log_once(
            log,
            f"No heartbeat of {self._who.name}: {first_line(error)}. Grant its role the right."
            f" {' '.join(grants)}".rstrip(),
        )

    def give_back(self, run_id: int, token: UUID, *, problem: str | None = None) -> None:
        """Give back a claimed run that nobody will finish; other runs aren't affected.

        The thread does it as soon as the database is reachable.

        Args:
            problem: The error, which counts as an attempt; None if the worker was told to stop.
        """
        with self._lock:
            self._given_back.append((run_id, token, problem))
        self._wake.set()
        self.start()

    def stop(self, reason: str) -> None:
        """Stop, and mark this process and its pool's children as stopped."""
        self._stopped = True
        self._wake.set()
        try:
            with self._app.app_context():
                processes.mark_stopped(get_state(self._app).session, self._who, reason)
        except Exception as error:  # noqa: BLE001 - otherwise, the lease expires
            log.warning("Can't mark %s as stopped: %s", self._who.name, error)

    def end(self, reason: str) -> None:
        """Stop, and mark this process of a pool as gone if it has no running run."""
        self._stopped = True
        self._wake.set()
        if self._id is None:
            return
        try:
            with self._app.app_context():
                processes.mark_ended(get_state(self._app).session, self._id, reason)
        except Exception as error:  # noqa: BLE001 - otherwise, the lease expires
            log.warning("Can't mark %s as gone: %s", self._who.name, first_line(error))

    def note_end(self, ending: ProcessEnd, reason: str) -> None:
        """Stop, and record why this process is about to be killed."""
        self._stopped = True
        self._wake.set()
        if self._id is None:
            return
        try:
            with self._app.app_context():
                processes.mark_gone(get_state(self._app).session, self._id, ending, reason)
        except Exception as error:  # noqa: BLE001 - otherwise, the parent records it
            log.warning("Can't mark %s as gone: %s", self._who.name, first_line(error))

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
                if self._silence is not None:
                    self._silence.look()
                if silent:
                    log.info("Heartbeats work again")
                silent = False
            except Exception as error:  # noqa: BLE001 - a failed heartbeat must not end the thread
                if kind_of(error) is ErrorKind.NO_RIGHT:
                    self._log_missing_rights(error)
                elif not silent:
                    log.warning("No heartbeat: %s", first_line(error))
                silent = True
            self._wake.wait(min(self._lease / 6, 5.0))

    def _hand_back(self) -> None:
        with self._lock:
            runs = list(self._given_back)
        errors = []
        for given in runs:
            try:
                self._hand_back_one(*given)
            except SQLAlchemyError as error:
                if kind_of(error) is ErrorKind.WAIT:
                    raise
                errors.append(error)  # give back the others first
            else:
                with self._lock:
                    self._given_back.remove(given)
        if errors:
            raise errors[0]

    def _hand_back_one(self, run_id: int, token: UUID, problem: str | None) -> None:
        with self._app.app_context():
            state = get_state(self._app)
            if problem is None:
                transitions.give_back(state.session, [run_id], token)
                return
            lost = state.settings.lost_attempts
            fail = partial(
                transitions.fail_worker, state.session, run_id, token, lost_attempts=lost
            )
            try:
                fail(problem=problem)
            except (SQLAlchemyError, UnicodeError) as error:
                if kind_of(error) is not ErrorKind.REFUSED:
                    raise
                fail(problem="Its worker failed; the database refused the error's text.")


#: By process, Celery application and whether it is beat's: a process may be worker and beat.
_heartbeats: dict[tuple[int, int, bool], Heartbeat] = {}


def begin(celery: Celery, heartbeat: Heartbeat, *, of_beat: bool = False) -> None:
    """Register *heartbeat* as this process's, and start it."""
    _heartbeats[os.getpid(), id(celery), of_beat] = heartbeat
    heartbeat.start()


def current(celery: Celery, app: Flask, worker: str) -> Heartbeat:
    """Return this process's heartbeat; a pool's child creates one on its first claim."""
    key = os.getpid(), id(celery), False
    heartbeat = _heartbeats.get(key)
    if heartbeat is None:
        who = ProcessIdentity(
            ProcessKind.CHILD, worker, HOST_NAME, os.getpid(), parent_pid=os.getppid(), boot=BOOT_ID
        )
        heartbeat = _heartbeats.setdefault(key, Heartbeat(app, who))
    return heartbeat


def note_success(celery: Celery, *, of: str) -> None:
    """Forget a missing right of this process, if it has a heartbeat."""
    heartbeat = _heartbeats.get((os.getpid(), id(celery), False))
    if heartbeat is not None:
        heartbeat.note_missing_right(None, of=of)


def leave_to_parent() -> None:
    """Don't mark this process of a pool as gone: it is ended during a run.

    Its parent records why: a person terminated the run, or the worker was told to stop.
    """
    for key in [key for key in _heartbeats if key[0] == os.getpid()]:
        del _heartbeats[key]


def note_end(ending: ProcessEnd, reason: str) -> None:
    """Record why this process of a pool is about to be killed."""
    for key in [key for key in _heartbeats if key[0] == os.getpid()]:
        _heartbeats[key].note_end(ending, reason)


def end_child(reason: str) -> None:
    """Mark this process of a pool as gone, within ``_EXIT_SECONDS``."""
    pid = os.getpid()
    for key in [key for key in _heartbeats if key[0] == pid]:
        # In a thread: an unresponsive database must not delay the pool's next process.
        exiting = threading.Thread(target=_heartbeats.pop(key).end, args=(reason,), daemon=True)
        exiting.start()
        exiting.join(_EXIT_SECONDS)


def end(celery: Celery, reason: str, *, of_beat: bool = False) -> None:
    """Stop this process's heartbeat, if it has one."""
    heartbeat = _heartbeats.pop((os.getpid(), id(celery), of_beat), None)
    if heartbeat is not None:
        heartbeat.stop(reason)
