"""The host application of the suite's processes: ``celery -A faults.stages.host:celery …``.

Environment variables set Flask's settings, the file for executions, and a breakpoint at which the
process kills or stops itself. The package is unchanged.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Producer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from taskadmin import TaskAdmin
from taskadmin.jobs import Job, all_jobs
from taskadmin.jobs.registry import add_job
from taskadmin.settings import Settings

if TYPE_CHECKING:  # moved since the older release
    from taskadmin.store.runs.results import UnsentRun

#: Seconds that a terminated worker gives its jobs.
SOFT_SHUTDOWN = "SOFT_SHUTDOWN_SECONDS"
#: JSON: Flask's settings.
CONFIG = "FAULTS_HOST_CONFIG"
#: File with one line per execution: marker, job, process id, time.
EXECUTIONS = "FAULTS_EXECUTIONS"
#: Suffix of its name for a file that ends the job ``waits``.
RELEASED = "-released"
#: JSON: when, match, count, action, file; see ``Breakpoint``.
BREAKPOINT = "FAULTS_BREAKPOINT"
#: Runs per message of jobs that don't record their start.
TOGETHER = "FAULTS_TOGETHER"


#: Queue of the job ``aside``, declared by the package.
OWN_QUEUE = "faults.aside"


class Arguments(BaseModel):
    """Arguments of all jobs of the suite."""

    model_config = ConfigDict(extra="ignore")  # a run's parameters include author_id

    marker: str
    #: Seconds that the job runs.
    seconds: float = 0.0
    #: Executions that fail before one succeeds.
    fails: int = 0


def _note(job: str, marker: str) -> int:
    """Record this execution, and return its number for this marker."""
    path = os.environ[EXECUTIONS]
    line = f"{marker} {job} {os.getpid()} {time.time():.3f}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    return sum(each.startswith(marker + " ") for each in Path(path).read_text().splitlines())


def quick(marker: str, seconds: float, fails: int) -> int:
    """A job whose start isn't recorded."""
    _note("quick", marker)
    time.sleep(seconds)
    return 1


def steady(marker: str, seconds: float, fails: int) -> int:
    """A job whose start is recorded."""
    _note("steady", marker)
    time.sleep(seconds)
    return 1


def poison(marker: str, seconds: float, fails: int) -> None:
    """A job that kills its process every time."""
    _note("poison", marker)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def exits(marker: str, seconds: float, fails: int) -> None:
    """A job that ends its process without an error."""
    _note("exits", marker)
    os._exit(3)


def memory(marker: str, seconds: float, fails: int) -> None:
    """A job that allocates too much memory."""
    _note("memory", marker)
    bytearray(1 << 60)


def hangs(marker: str, seconds: float, fails: int) -> None:
    """A job that never ends."""
    _note("hangs", marker)
    while True:
        time.sleep(60)


def flaky(marker: str, seconds: float, fails: int) -> int:
    """A job that fails *fails* times, then succeeds."""
    count = _note("flaky", marker)
    time.sleep(seconds)
    if count <= fails:
        raise RuntimeError(f"failure {count} of {fails}")
    return count


def wordy(marker: str, seconds: float, fails: int) -> str:
    """A job with a result that doesn't fit into its row's page and can't be compressed."""
    _note("wordy", marker)
    time.sleep(seconds)
    return os.urandom(20_000).hex()


def waits(marker: str, seconds: float, fails: int) -> int:
    """A job that runs until the suite creates a file."""
    _note("waits", marker)
    while not Path(os.environ[EXECUTIONS] + RELEASED).exists():
        time.sleep(0.1)
    return 1


def _commits_itself(connection: Connection) -> bool:
    """Return whether a statement is its own transaction."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


class Breakpoint:
    """Kill or stop this process once, at a moment that a signal can't hit.

    *when* is ``statement`` (before a matching one), ``commit`` or ``committed`` (before or after
    the commit of a transaction with one) or ``publish`` (before a message with a matching routing
    key, after sending earlier ones); *count* is the number of the match.
    """

    def __init__(self, when: str, match: str, count: int, action: str, file: str) -> None:
        self._pattern = re.compile(match, re.DOTALL)
        self._count = count
        self._signal = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[action]
        self._file = file
        self._when = when
        self._lock = threading.Lock()
        self._local = threading.local()

    def install(self) -> None:
        """Watch all engines, sessions and producers of this process and its children."""
        if self._when == "publish":
            self._watch_publishes()
            return
        event.listen(Engine, "before_cursor_execute", self._statement)
        if self._when in ("commit", "committed"):
            event.listen(Engine, "after_cursor_execute", self._executed)
            event.listen(Engine, "commit", self._commit)
            event.listen(Session, "after_commit", self._committed)

    def _statement(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if not self._pattern.search(statement):
            return
        if self._when == "statement" or (self._when == "commit" and _commits_itself(connection)):
            self._hit()
        else:
            connection.info["faults_match"] = True

    def _executed(self, connection: Connection, *_: Any) -> None:
        if _commits_itself(connection) and connection.info.pop("faults_match", False):
            self._hit()

    def _commit(self, connection: Connection) -> None:
        self._local.match = connection.info.pop("faults_match", False)
        if self._when == "commit" and self._local.match:
            self._hit()

    def _committed(self, session: Session) -> None:
        if self._when == "committed" and getattr(self._local, "match", False):
            self._local.match = False
            self._hit()

    def _watch_publishes(self) -> None:
        publish = Producer.publish

        def watched(producer: Any, body: Any, routing_key: Any = None, **kwargs: Any) -> Any:
            if self._pattern.search(str(routing_key)):
                self._hit()
            return publish(producer, body, routing_key=routing_key, **kwargs)

        Producer.publish = watched

    def _hit(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count:
                return
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return  # another process was first
        os.kill(os.getpid(), self._signal)


def _known(kind: type, values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return *values* without keys that an older release doesn't know."""
    names = {prefix + (name.upper() if prefix else name) for name in kind.__annotations__}
    return {key: value for key, value in values.items() if not _ours(key, prefix) or key in names}


def _ours(key: str, prefix: str) -> bool:
    return key.startswith(prefix)


def _add(name: str, function: Any, **options: Any) -> None:
    claims = "record_start" in Job.__annotations__
    celery_task = "taskadmin.run" if claims else "taskadmin.generate_random_number_task"
    values = {
        "name": name,
        "function": function,
        "arguments": Arguments,
        "celery_task": celery_task,
        "queue": "taskadmin.runs",
        **options,
    }
    add_job(Job(**_known(Job, values)))


# If a start isn't recorded, a lost message is sent again after the time limit.
_add("quick", quick, record_start=False, time_limit=5)
_add("steady", steady)
_add("poison", poison)
_add("exits", exits)
_add("memory", memory)
_add("hangs", hangs, time_limit=2)
_add("slow", steady, soft_time_limit=1, time_limit=10)
_add("aside", steady, queue=OWN_QUEUE)
_add("wordy", wordy)
_add("waits", waits)
_add("flaky", flaky, max_attempts=3, backoff_seconds=0.5)
_add("patient", flaky, max_attempts=3, backoff_seconds=8)


def make_app() -> Flask:
    """Create the application that the environment describes."""
    app = Flask("faults_host")
    app.config.update(_known(Settings, json.loads(os.environ[CONFIG]), "TASKADMIN_"))
    if SOFT_SHUTDOWN in os.environ:
        seconds = float(os.environ[SOFT_SHUTDOWN])
        app.config["CELERY"]["worker_soft_shutdown_timeout"] = seconds
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


def _send_together(number: int) -> None:
    """Let *runs* runs share a message, even in small launches."""
    try:
        from taskadmin.queue.publishing import sending
    except ImportError:  # an older release
        return

    def sizes(_: Session, runs: Sequence[UnsentRun]) -> dict[str, int]:
        return {run.job: number for run in runs if run.job in all_jobs()}

    vars(sending)["chunk_sizes"] = sizes


if CONFIG in os.environ:
    app = make_app()
    _send_together(int(os.environ.get(TOGETHER, "1")))
    celery = app.extensions["taskadmin"].celery
    if os.environ.get(BREAKPOINT):
        Breakpoint(**json.loads(os.environ[BREAKPOINT])).install()
