"""The site's processes: gunicorn, launcher, worker and beat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL

from services.servers.postgresql import free_port
from services.servers.processes import wait_for

#: Commands as in ``docker-compose.yml``, but without reloading, so that an edit doesn't restart
#: them during a test.
COMMANDS = {
    "web": (
        *("gunicorn", "--workers", "1", "--threads", "8", "--graceful-timeout", "1"),
        *("--no-control-socket", "taskadmin_site:create_app()"),
    ),
    "launcher": (
        *("celery", "--quiet", "-A", "taskadmin_site.celery_app", "worker"),
        *("--hostname", "launcher@%h", "--queues", "taskadmin.launch", "--pool", "solo"),
        *("--without-gossip", "--without-mingle", "worker_enable_remote_control=no"),
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
    """Return the variables of ``dockr/.env`` for a database and a broker."""
    rabbitmq = urlsplit(broker)
    return {
        "SECRET_KEY": "of a site that lives for some minutes only",
        "POSTGRES_USER": database.username or "",
        # The site requires one, even if the server trusts this machine.
        "POSTGRES_PASSWORD": database.password or "none is asked for",
        "POSTGRES_DB": database.database or "",
        "POSTGRES_HOST": f"{database.host}:{database.port or 5432}",
        "RABBITMQ_USERNAME": unquote(rabbitmq.username or ""),
        "RABBITMQ_PASSWORD": unquote(rabbitmq.password or ""),
        "RABBITMQ_VHOST": unquote(rabbitmq.path[1:]),
        "RABBITMQ_HOST": f"{rabbitmq.hostname}:{rabbitmq.port or 5672}",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": str(interval_seconds),
        "TASKADMIN_TICK_SECONDS": "1",
        # The sample's tasks request pages of this machine.
        "HTTP_LATENCY_PRIVATE_ADDRESSES": "true",
    }


class RunningSite:
    """All processes of a site; ``stop`` ends them and their children."""

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str],
        *,
        own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """Prepare.

        Args:
            variables: For all processes.
            own: Overrides, by the name of the process.
        """
        self._folder = folder
        self._own = own
        machine = {
            name: value for name, value in os.environ.items() if not name.startswith("TASKADMIN_")
        }
        # Celery warns about running as root, as CI does.
        self._environment = {**machine, **variables, "C_FORCE_ROOT": "1"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._port = free_port()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def migrate(self) -> None:
        """Create the tables."""
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
        """Start all processes, and wait until pages respond and runs are executed."""
        for name in COMMANDS:
            self.start_one(name)
        self.wait_until_it_answers()
        for name in ("launcher", "worker"):
            wait_for(lambda name=name: " ready" in self.log(name), what=f"the {name}")  # type: ignore[misc]

    def start_one(self, name: str) -> None:
        """Start or restart a process in its own process group."""
        program, *arguments = COMMANDS[name]
        if name == "web":
            arguments = ["--bind", f"127.0.0.1:{self._port}", *arguments]
        with (self._folder / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", program, *arguments],
                cwd=self._folder,
                env={**self._environment, **self._own.get(name, {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_answers(self) -> None:
        """Wait until the pages respond."""

        def answers() -> bool:
            assert self._running["web"].poll() is None, self.log("web")
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        wait_for(answers, what="the site")

    def stop_one(self, name: str) -> None:
        """End a process, and its children if they outlive it."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End all processes: terminate all, then wait for each."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for name in list(self._running):
            self.stop_one(name)

    def log(self, name: str) -> str:
        """Return the output of a process."""
        return (self._folder / f"{name}.log").read_text(errors="replace")
