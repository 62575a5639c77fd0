"""A PostgreSQL and a RabbitMQ server on free ports, in temporary folders."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from kombu import Connection
from sqlalchemy import URL

from services.servers.postgresql import PostgresqlServer, _programs, free_port

#: The application's role, not a superuser, so that connection limits apply to it.
ROLE = "site"
MAX_CONNECTIONS = 60


class Missing(Exception):
    """A program that the suite requires isn't installed."""


class PostgresqlOfOurOwn:
    """A server that can be stopped and started during a test."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self.port = free_port()
        self.url = URL.create(
            "postgresql+psycopg", ROLE, host="127.0.0.1", port=self.port, database="postgres"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        try:
            self._programs = _programs(self.home)
            subprocess.run(
                [
                    *(self._programs / "initdb", "-D", self.home / "data", "-U", "postgres"),
                    *("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
                ],
                check=True,
                cwd=self.home,
                stdout=subprocess.DEVNULL,
                **self._who,
            )
            self.start()
            with self.connect("postgres") as connection:
                connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        except pytest.fail.Exception as missing:
            self.close()
            raise Missing(str(missing)) from None
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self.home / "data"),
                    *("-p", str(self.port), "-c", f"max_connections={MAX_CONNECTIONS}"),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "fsync=off", "-c", "full_page_writes=off"),
                    *("-c", "shared_buffers=32MB", "-c", "log_min_messages=error"),
                ],
                cwd=self.home,
                stdout=log,
                stderr=log,
                start_new_session=True,  # on Ctrl-C, the suite stops it
                **self._who,
            )
        server = PostgresqlServer(self.url.set(username="postgres"))
        deadline = time.monotonic() + 60
        while (why_not := server.why_unreachable()) is not None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL didn't start: {why_not}")
            time.sleep(0.05)

    def own(self, folder: Path) -> None:
        """Give a folder to the server's user."""
        if self._who:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._who["user"], self._who["group"])

    def stop(self, how: signal.Signals) -> None:
        """Stop the server: SIGINT is a fast shutdown, SIGQUIT an immediate one, like a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """Kill -9 the server and its processes, as in a crash of the machine."""
        if self._process is not None and self._process.poll() is None:
            children = _children(self._process.pid)
            self._process.kill()
            self._process.wait()
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def connect(self, database: str, user: str = "postgres") -> psycopg.Connection[Any]:
        """Open an autocommit connection, by default as a superuser."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def create(self, template: str | None = None) -> str:
        """Create a database, as a copy of *template* if given, and return its name."""
        name = f"faults_{uuid.uuid4().hex[:12]}"
        source = f' TEMPLATE "{template}"' if template else ""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}" OWNER {ROLE}{source}')
        return name

    def drop(self, name: str) -> None:
        """Drop a database, ending its connections."""
        with self.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def version(self) -> str:
        """Return the server's version."""
        with self.connect("postgres") as connection:
            row = connection.execute("SHOW server_version").fetchone()
            assert row is not None
            return str(row[0])

    def close(self) -> None:
        """Stop the server, and remove its folder."""
        self.stop(signal.SIGINT)
        shutil.rmtree(self.home, ignore_errors=True)


class RabbitmqOfOurOwn:
    """A broker that can be killed and restarted during a test."""

    #: Celery's settings: a half-open connection is detected after two heartbeats.
    celery: ClassVar[dict[str, Any]] = {"broker_heartbeat": 2}

    def __init__(self) -> None:
        self._programs = _rabbitmq_programs()
        self.home = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        epmd_port = free_port()
        self._environment = {
            **{key: value for key, value in os.environ.items() if "RABBITMQ" not in key},
            "HOME": str(self.home),  # for the Erlang cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,  # ignore the machine's settings
            "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_LOGS": str(self.home / "log" / "rabbit.log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
        }
        (self.home / "plugins").write_text("[].\n")
        (self.home / "rabbitmq.conf").write_text(
            "loopback_users = none\n"
            "disk_free_limit.absolute = 1MB\n"
            # The default of 512 MB would be written at each start.
            "raft.wal_max_size_bytes = 16000000\n"
            "log.file.level = warning\n"
        )
        # Started in the foreground, because one that the node starts would stay behind.
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the broker, and wait until it accepts connections."""
        with (self.home / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._programs / "rabbitmq-server"],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ didn't start:\n{self.tail()}")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Return whether a connection to the default virtual host can be opened."""
        try:
            with Connection(self.url("/"), connect_timeout=2) as connection:
                connection.connect()
        except Exception:  # noqa: BLE001 - any error means that it isn't up
            return False
        return True

    def kill(self) -> None:
        """Kill -9 the node's process group, which contains only processes started here."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def url(self, vhost: str, port: int | None = None) -> str:
        """Return the address of a virtual host, with another *port* for a proxy."""
        path = "%2F" if vhost == "/" else vhost
        return f"amqp://guest:guest@127.0.0.1:{port or self.port}/{path}"

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl and return its output."""
        done = subprocess.run(
            [self._programs / "rabbitmqctl", "-q", *arguments],
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def memory_alarm(self) -> None:
        """Block all publishers."""
        self.control("set_vm_memory_high_watermark", "0.000001")

    def end_memory_alarm(self) -> None:
        """Unblock all publishers."""
        self.control("set_vm_memory_high_watermark", "0.4")

    def disk_alarm(self) -> None:
        """Block all publishers, as with a full disk."""
        self.control("set_disk_free_limit", str(10**15))

    def end_disk_alarm(self) -> None:
        """Unblock all publishers."""
        self.control("set_disk_free_limit", str(10**6))

    def close_connections(self, vhost: str) -> None:
        """Close all connections to a virtual host, as an administrator can."""
        self.control("close_all_connections", "--vhost", vhost, "fault suite")

    def all_messages(self, vhost: str, queue: str) -> int:
        """Return the number of messages in a queue, including those that workers hold."""
        printed = self.control("list_queues", "-p", vhost, "name", "messages")
        counts = dict(line.split("\t") for line in printed.splitlines() if "\t" in line)
        return int(counts.get(queue, "0"))

    def create(self) -> str:
        """Create a virtual host, and return its name."""
        name = f"faults-{uuid.uuid4().hex[:12]}"
        self.control("add_vhost", name)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return name

    def drop(self, name: str) -> None:
        """Delete a virtual host and its contents."""
        self.control("delete_vhost", name)

    def version(self) -> str:
        """Return the broker's version."""
        with Connection(self.url("/"), connect_timeout=5) as connection:
            properties = connection.connection.server_properties
            return str(properties["version"])

    def tail(self) -> str:
        """Return the end of the broker's output and log."""
        paths = (self.home / "output", self.home / "log" / "rabbit.log")
        return "\n".join(
            path.read_text(errors="replace")[-2000:] for path in paths if path.exists()
        )

    def close(self) -> None:
        """Stop the broker, and remove its folder."""
        self.kill()
        self._epmd.kill()
        self._epmd.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def _children(parent: int) -> list[int]:
    """Return the ids of a process's children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # After the program's name: state, parent, …
                _, its_parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(its_parent) == parent:
                    found.append(int(entry.name))
    return found


def _rabbitmq_programs() -> Path:
    """Return the folder of rabbitmq-server and rabbitmqctl, not of wrappers."""
    found = shutil.which("rabbitmq-server")
    if found and shutil.which("epmd"):
        for folder in (Path("/usr/lib/rabbitmq/bin"), Path(found).resolve().parent):
            if (folder / "rabbitmq-server").exists() and (folder / "rabbitmqctl").exists():
                return folder
    raise Missing("rabbitmq-server, rabbitmqctl or epmd is missing: install rabbitmq-server.")
