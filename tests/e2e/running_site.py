"""The real site in processes of its own: gunicorn, launcher, worker and beat."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL

from services.processes import wait_for

#: What each process is, as in ``docker-compose.yml``; without the reloading, which an editor's
#: "save" in the middle of a test would set off.
COMMANDS = {
    "web": (
        *("gunicorn", "--workers", "1", "--threads", "8", "--graceful-timeout", "1"),
        *("--no-control-socket", "taskadmin_site:create_app()"),
    ),
    "launcher": (
        *("celery", "--quiet", "-A", "taskadmin_site.celery_app", "worker"),
        *("--hostname", "launcher@%h", "--queues", "taskadmin.launch", "--pool", "solo"),
        *("--without-gossip", "--without-mingle"),
    ),
    "worker": (
        *("celery", "--quiet", "-A", "taskadmin_site.celery_app", "worker"),
        *("--hostname", "worker@%h", "--queues", "taskadmin.runs", "--concurrency", "6"),
        *("--without-gossip", "--without-mingle"),
    ),
    "beat": (
        *("celery", "--quiet", "-A", "taskadmin_site.celery_app", "beat"),
        *("--scheduler", "celery.beat:Scheduler", "--pidfile="),
    ),
}


def environment(database: URL, broker: str, *, interval_seconds: int) -> dict[str, str]:
    """The variables of ``dockr/.env`` for a database and a broker."""
    rabbitmq = urlsplit(broker)
    return {
        "SECRET_KEY": "of a site that lives for some minutes only",
        "POSTGRES_USER": database.username or "",
        # A server that trusts this machine asks for none; the site insists on one.
        "POSTGRES_PASSWORD": database.password or "none is asked for",
        "POSTGRES_DB": database.database or "",
        "POSTGRES_HOST": f"{database.host}:{database.port or 5432}",
        "RABBITMQ_USERNAME": unquote(rabbitmq.username or ""),
        "RABBITMQ_PASSWORD": unquote(rabbitmq.password or ""),
        "RABBITMQ_VHOST": unquote(rabbitmq.path[1:]),
        "RABBITMQ_HOST": f"{rabbitmq.hostname}:{rabbitmq.port or 5672}",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": str(interval_seconds),
        "TASKADMIN_TICK_SECONDS": "1",
    }


class RunningSite:
    """All processes of a site; ``stop`` ends them with their children."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        machine = {
            name: value for name, value in os.environ.items() if not name.startswith("TASKADMIN_")
        }
        # Celery warns that root shouldn't run a worker; CI does.
        self._environment = {**machine, **variables, "C_FORCE_ROOT": "1"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._port = _free_port()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def migrate(self) -> None:
        """Make the tables, as an administrator does."""
        command = ["flask", "--app", "taskadmin_site", "taskadmin", "db", "upgrade"]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start everything, and wait until the site answers and runs can be executed."""
        for name in COMMANDS:
            self.start_one(name)
        self.wait_until_it_answers()
        for name in ("launcher", "worker"):
            wait_for(lambda name=name: " ready" in self.log(name), what=f"the {name}")  # type: ignore[misc]

    def start_one(self, name: str) -> None:
        """Start one process in a process group of its own, again if it was stopped."""
        program, *arguments = COMMANDS[name]
        if name == "web":
            arguments = ["--bind", f"127.0.0.1:{self._port}", *arguments]
        with (self._folder / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", program, *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_answers(self) -> None:
        """Wait for the first answer of the site's pages."""

        def answers() -> bool:
            assert self._running["web"].poll() is None, self.log("web")
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        wait_for(answers, what="the site")

    def stop_one(self, name: str) -> None:
        """End one process, and its children if they outlive it."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End every process: all are asked before the first one is waited for."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for name in list(self._running):
            self.stop_one(name)

    def log(self, name: str) -> str:
        """What a process printed so far."""
        return (self._folder / f"{name}.log").read_text(errors="replace")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
