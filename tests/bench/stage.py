"""A database and a virtual host for one measurement, and processes whose memory is watched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import URL, make_url

from services.servers.databases import migrate
from services.servers.postgresql import NAMED, USUAL, PostgresqlServer
from services.servers.rabbitmq import rabbitmq_server

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stage:
    """Servers of a measurement."""

    database: URL
    broker: str

    @property
    def dsn(self) -> str:
        """The database's DSN for psycopg."""
        plain = self.database.set(drivername="postgresql")
        return plain.render_as_string(hide_password=False)

    @contextlib.contextmanager
    def connected(self) -> Iterator[psycopg.Connection]:
        """Open an autocommit connection."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield connection


@contextlib.contextmanager
def fresh_stage(*, migrated: bool = False) -> Iterator[Stage]:
    """Create a database and a virtual host on the tests' servers."""
    server = PostgresqlServer(make_url(NAMED or USUAL))
    database = server.create()
    try:
        if migrated:
            migrate(database)
        with rabbitmq_server() as broker:
            yield Stage(database, broker)
    finally:
        server.drop(database)


@contextlib.contextmanager
def running(
    commands: Sequence[Sequence[str]], environment: dict[str, str]
) -> Iterator[list[psutil.Process]]:
    """Run processes; terminate them at the end, and kill those that don't exit."""
    path = os.pathsep.join([str(TESTS), environment.get("PYTHONPATH", "")])
    started = [
        subprocess.Popen(
            [*command],
            env={**os.environ, **environment, "PYTHONPATH": path, "C_FORCE_ROOT": "1"},
            cwd=TESTS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        yield [psutil.Process(one.pid) for one in started]
    finally:
        for one in started:
            one.terminate()
        for one in started:
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def peak_memory_mb(process: psutil.Process) -> float:
    """Return the peak RSS in MB of the largest of a process and its children."""
    peaks = [0.0]
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            status = Path(f"/proc/{one.pid}/status").read_text()
            (kilobytes,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
            peaks.append(int(kilobytes.split()[1]) / 1024)
    return max(peaks)


def wait_until(look: Callable[[], bool], *, seconds: float, every: float = 0.1) -> None:
    """Wait until *look* returns true.

    Raises:
        TimeoutError: After *seconds*.
    """
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not done after {seconds:g} s.")
        time.sleep(every)


def celery_worker(application: str, name: str, *arguments: str) -> list[str]:
    """Return the command of a Celery worker without extra features."""
    return [
        *(sys.executable, "-m", "celery", "-A", application, "worker", "-n", f"{name}@bench"),
        *("-l", "ERROR", "--without-gossip", "--without-mingle", *arguments),
    ]
