"""Servers and workers as real processes, and brokers of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from kombu import Connection
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from taskadmin import service
from taskadmin.models import TaskResult

#: Names the PostgreSQL server.
SERVER = "TASKADMIN_TEST_DATABASE_URL"


class Process:
    """A program of the environment, in its own process group."""

    def __init__(self, log: Path, folder: Path, command: tuple[str, ...]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """Wait until the program ends, and return its output."""
        assert self._popen.wait(timeout=60) == 0, self._log.read_text()
        return self._log.read_text()

    def text(self) -> str:
        """Return the output so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until the output has *text*."""
        wait_until_true(lambda: text in self.text() or self._popen.poll() is not None, self.text)
        assert text in self.text(), self.text()

    def terminate(self) -> None:
        """Ask the program to end."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until the program has ended; kill it and its children if it doesn't."""
        try:
            self._popen.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Process]]:
    """Start ``python -m *command`` in *folder*; it ends with the test."""
    started: list[Process] = []
    monkeypatch.setenv("C_FORCE_ROOT", "1")  # Celery warns about running as root

    def start(*command: str, folder: Path) -> Process:
        started.append(Process(tmp_path / f"{len(started)}.log", folder, command))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait()


@pytest.fixture
def create_task(taskadmin_superuser: object) -> Callable[..., int]:
    """Create a task of a job, and return its id."""

    def create(app: Flask, job: str, **arguments: object) -> int:
        with app.app_context():
            task = service.create_task(job=job, arguments=arguments, author="taskadmin-tests")
            task_id: int = task.id
            return task_id

    return create


@pytest.fixture
def start_task(create_task: Callable[..., int]) -> Callable[..., None]:
    """Create a task of a job, and start it as "Run now" does."""

    def start(app: Flask, job: str, **arguments: object) -> None:
        task_id = create_task(app, job, **arguments)
        with app.app_context():
            service.start_task(task_id)

    return start


@pytest.fixture
def run_by_worker(start_task: Callable[..., None]) -> Callable[..., TaskResult]:
    """Start a task of a job, and return its run when a worker has executed it."""

    def run(app: Flask, job: str, **arguments: object) -> TaskResult:
        def found() -> TaskResult:
            with app.app_context():
                [run] = service.find_runs()
                return run

        start_task(app, job, **arguments)
        wait_until_true(lambda: found().finished_at is not None, lambda: found().state)
        return found()

    return run


def wait_until_true(condition: Callable[[], bool], state: Callable[[], str]) -> None:
    """Wait for *condition*; fail with *state*."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, state()
        time.sleep(0.05)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition is true."""
    return lambda condition: wait_until_true(condition, lambda: "The condition is still false.")


def unused_port() -> int:
    """Return a port that no program uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a new Redis."""
    program = shutil.which("redis-server")
    if program is None:
        _skip("Redis isn't installed: install redis-server.")
    port, folder = unused_port(), tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with Connection(url) as connection:
            connection.ensure_connection(max_retries=50, interval_start=0.1, interval_step=0)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[str]:
    """URL of a new virtual host of the local RabbitMQ."""
    name = f"taskadmin-hosts-{uuid.uuid4().hex}"
    if not _rabbitmqctl("add_vhost", name):
        _skip("rabbitmqctl can't create a virtual host: start RabbitMQ here, and run as root.")
    try:
        assert _rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"amqp://guest:guest@127.0.0.1:5672/{name}"
    finally:
        _rabbitmqctl("delete_vhost", name)


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    """URL of a new database of the local PostgreSQL."""
    usual = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
    server = create_engine(os.environ.get(SERVER, usual), isolation_level="AUTOCOMMIT")
    name = f"taskadmin_hosts_{uuid.uuid4().hex}"
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except OperationalError as error:
        _skip(f"No PostgreSQL ({error}): start it, or set {SERVER}.")
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


def _rabbitmqctl(*arguments: str) -> bool:
    program = shutil.which("rabbitmqctl")
    if program is None:
        return False
    command = [program, "-q", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def _skip(reason: str) -> None:
    """Skip the test; fail where all servers must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
