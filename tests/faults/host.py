"""The host application of the suite's processes: ``celery -A faults.host:celery …``.

Configured by the environment: Flask's settings, the file that executions are counted in, and a
breakpoint at which the process kills or stops itself. Nothing of the package is changed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Producer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from taskadmin import TaskAdmin
from taskadmin.jobs import Job
from taskadmin.jobs.registry import add_job
from taskadmin.queue import confirms
from taskadmin.settings import Settings

#: Seconds that a worker gives its jobs when it is told to end.
SOFT_SHUTDOWN = "SOFT_SHUTDOWN_SECONDS"
#: JSON: Flask's settings.
CONFIG = "FAULTS_HOST_CONFIG"
#: File with one line for each execution: marker, job, process id, time.
EXECUTIONS = "FAULTS_EXECUTIONS"
#: JSON: when, match, count, action, file; see ``Breakpoint``.
BREAKPOINT = "FAULTS_BREAKPOINT"


#: Of the job ``aside``; the package declares it as it declares any job's own queue.
OWN_QUEUE = "faults.aside"


class Arguments(BaseModel):
    """What every job of the suite takes."""

    model_config = ConfigDict(extra="ignore")  # a run's parameters hold author_id too

    marker: str
    #: How long the job works.
    seconds: float = 0.0
    #: How many executions fail before one succeeds.
    fails: int = 0


def _note(job: str, marker: str) -> int:
    """Count this execution; returns the how many-th of the marker it is."""
    path = os.environ[EXECUTIONS]
    line = f"{marker} {job} {os.getpid()} {time.time():.3f}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    return sum(each.startswith(marker + " ") for each in Path(path).read_text().splitlines())


def quick(marker: str, seconds: float, fails: int) -> int:
    """Whose start isn't recorded."""
    _note("quick", marker)
    time.sleep(seconds)
    return 1


def steady(marker: str, seconds: float, fails: int) -> int:
    """Which is claimed before it runs."""
    _note("steady", marker)
    time.sleep(seconds)
    return 1


def poison(marker: str, seconds: float, fails: int) -> None:
    """Which kills its process every time."""
    _note("poison", marker)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def exits(marker: str, seconds: float, fails: int) -> None:
    """Which ends its process without a word."""
    _note("exits", marker)
    os._exit(3)


def memory(marker: str, seconds: float, fails: int) -> None:
    """Which asks for more memory than there is."""
    _note("memory", marker)
    bytearray(1 << 60)


def hangs(marker: str, seconds: float, fails: int) -> None:
    """Which never ends."""
    _note("hangs", marker)
    while True:
        time.sleep(60)


def flaky(marker: str, seconds: float, fails: int) -> int:
    """Which fails *fails* times and then succeeds."""
    count = _note("flaky", marker)
    time.sleep(seconds)
    if count <= fails:
        raise RuntimeError(f"failure {count} of {fails}")
    return count


class Breakpoint:
    """Kills or stops this process, once in a test, at a moment that a signal can't meet.

    *when* is ``statement`` (before one that matches), ``commit`` or ``committed`` (before and
    after the commit of a transaction with one) or ``publish`` (before a message whose routing
    key matches, with those before it on their way); *count* says which of them.
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
        """Watch every engine, session and producer of this process and its children."""
        if self._when == "publish":
            self._watch_publishes()
            return
        event.listen(Engine, "before_cursor_execute", self._statement)
        if self._when in ("commit", "committed"):
            event.listen(Engine, "commit", self._commit)
            event.listen(Session, "after_commit", self._committed)

    def _statement(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if self._pattern.search(statement):
            if self._when == "statement":
                self._hit()
            else:
                connection.info["faults_match"] = True

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

        frames = confirms.ConfirmedChannel._frames

        def watched_frames(channel: Any, message: Any) -> bytes:
            if self._pattern.search(message.routing_key):
                self._hit()
            return frames(channel, message)

        Producer.publish = watched
        confirms.ConfirmedChannel._frames = watched_frames  # type: ignore[method-assign,assignment]
        confirms._WRITTEN = 1  # otherwise a hundred messages are made before the first is written

    def _hit(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count:
                return
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return  # another process was here
        os.kill(os.getpid(), self._signal)


def _known(kind: type, values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """*values* without what a release before the present one doesn't know."""
    names = {prefix + (field.name.upper() if prefix else field.name) for field in _fields(kind)}
    return {key: value for key, value in values.items() if not _ours(key, prefix) or key in names}


def _fields(kind: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


def _ours(key: str, prefix: str) -> bool:
    return key.startswith(prefix)


def _add(name: str, function: Any, **options: Any) -> None:
    claims = any(field.name == "record_start" for field in _fields(Job))
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


# A lost message of a run whose start isn't recorded is sent again after its time limit.
_add("quick", quick, record_start=False, time_limit=5)
_add("steady", steady)
_add("poison", poison)
_add("exits", exits)
_add("memory", memory)
_add("hangs", hangs, time_limit=2)
_add("slow", steady, soft_time_limit=1, time_limit=10)
_add("aside", steady, queue=OWN_QUEUE)
_add("flaky", flaky, max_attempts=3, backoff_seconds=0.5)


def make_app() -> Flask:
    """The application that the environment describes."""
    app = Flask("faults_host")
    app.config.update(_known(Settings, json.loads(os.environ[CONFIG]), "TASKADMIN_"))
    if SOFT_SHUTDOWN in os.environ:
        seconds = float(os.environ[SOFT_SHUTDOWN])
        app.config["CELERY"]["worker_soft_shutdown_timeout"] = seconds
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


if CONFIG in os.environ:
    app = make_app()
    celery = app.extensions["taskadmin"].celery
    if os.environ.get(BREAKPOINT):
        Breakpoint(**json.loads(os.environ[BREAKPOINT])).install()
