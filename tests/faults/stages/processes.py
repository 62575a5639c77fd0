"""A stage's workers, launchers and beat."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..devices.proxy import Proxy
from ..mode import current_mode
from . import roles as role_module
from .brokers import Broker, RedisOfOurOwn
from .messages import Messages
from .roles import TESTS, Role
from .rows import Rows
from .servers import PostgresqlOfOurOwn

DAY = 86400
LAUNCH_QUEUE = "taskadmin.launch"
RUNS_QUEUE = "taskadmin.runs"
CELERY = ("celery", "-A", "faults.stages.host:celery")
LOST_ATTEMPTS = 3
LEASE_SECONDS = 3
OWNERSHIP_SECONDS = 4

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "only for tests",
    "SQLALCHEMY_ENGINE_OPTIONS": {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 3},
    },
    "TASKADMIN_LAUNCH_INTERVAL_SECONDS": DAY,
    "TASKADMIN_TICK_SECONDS": 0.5,
    "TASKADMIN_LEASE_SECONDS": LEASE_SECONDS,
    "TASKADMIN_REPUBLISH_AFTER_SECONDS": 2,
    "TASKADMIN_OWNERSHIP_SECONDS": OWNERSHIP_SECONDS,
    "TASKADMIN_LOST_ATTEMPTS": LOST_ATTEMPTS,
    "TASKADMIN_MISSED_SLOTS": "skip",
}


class Processes(Rows, Messages):
    """Start processes, wait for them and end them."""

    def __init__(
        self,
        postgresql: PostgresqlOfOurOwn,
        broker: Broker,
        settings: Mapping[str, Any],
    ) -> None:
        Rows.__init__(self, postgresql)
        Messages.__init__(self, broker)
        self.settings = {**SETTINGS, **settings}
        self.folder = Path(tempfile.mkdtemp(prefix="stage-"))
        self.executions_file = self.folder / "executions"
        self.executions_file.touch()
        self.environment: dict[str, str] = {}
        #: The interpreter of processes that are started from now on.
        self.python = sys.executable
        self.roles: list[Role] = []
        self.proxies: list[Proxy] = []
        self.broker_port: int | None = None
        self.database_port: int | None = None
        self._ending = threading.Event()
        self._supervisor: threading.Thread | None = None

    def executions(self) -> list[tuple[str, str, int]]:
        """Return marker, job and process id of every execution so far."""
        lines = self.executions_file.read_text().splitlines()
        return [(parts[0], parts[1], int(parts[2])) for parts in map(str.split, lines)]

    def config(self, **celery: Any) -> dict[str, Any]:
        """Return the processes' Flask settings; *celery* is added to Celery's."""
        database = self.postgresql.url.set(
            database=self.database, port=self.database_port or self.postgresql.port
        )
        return {
            **self.settings,
            "SQLALCHEMY_DATABASE_URI": database.render_as_string(hide_password=False),
            "CELERY": {
                "broker_url": self.broker.url(self.vhost, self.broker_port),
                "result_backend": "disabled://",
                **self.broker.celery,
                **celery,
                **self.settings.get("CELERY", {}),
            },
        }

    def start(self, name: str, *arguments: str, **environment: str) -> Role:
        """Start a Python program such as ``celery``, without waiting for it."""
        role = Role(
            name,
            arguments,
            self.folder,
            {
                **_inherited(),
                "FAULTS_HOST_CONFIG": json.dumps(self.config()),
                "FAULTS_TOGETHER": str(current_mode().per_message),
                "FAULTS_EXECUTIONS": str(self.executions_file),
                "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
                # Celery warns about running as root, as containers and CI do.
                "C_FORCE_ROOT": "1",
                **self.environment,
                **environment,
            },
            self.python,
        )
        self.roles.append(role)
        return role

    def worker(
        self,
        name: str = "worker",
        concurrency: int = 2,
        *,
        queue: str = RUNS_QUEUE,
        flags: Sequence[str] = (),
        **environment: str,
    ) -> Role:
        """Start a worker; *flags* replace the mode's pool and *concurrency*."""
        if not flags:
            flags = "-P", current_mode().pool, "-c", str(concurrency)
            if not current_mode().has_processes:
                # It sends no heartbeats during a job.
                config = json.dumps(self.config(broker_heartbeat=5))
                environment.setdefault("FAULTS_HOST_CONFIG", config)
        return self.start(
            name,
            *(*CELERY, "worker", "-Q", queue, "-n", f"{name}@%h", "-l", "INFO"),
            *(*flags, "--without-gossip", "--without-mingle"),
            **environment,
        )

    def launcher(self, name: str = "launcher", **environment: str) -> Role:
        """Start a launcher."""
        return self.start(
            name,
            *(*CELERY, "worker", "-Q", LAUNCH_QUEUE, "-n", f"{name}@%h", "-l", "INFO"),
            *("-P", "solo", "--without-gossip", "--without-mingle"),
            **environment,
        )

    def beat(self, name: str = "beat", **environment: str) -> Role:
        """Start beat."""
        return self.start(
            name,
            *(*CELERY, "beat", "-s", str(self.folder / f"{name}-schedule"), "-l", "INFO"),
            "--pidfile=",
            **environment,
        )

    def role(self, name: str) -> Role:
        """Return the process that was started with this name."""
        return next(role for role in self.roles if role.name == name)

    def start_all(self) -> tuple[Role, Role, Role]:
        """Start beat, a launcher and a worker at once; wait for the two workers."""
        everyone = self.beat(), self.launcher(), self.worker()
        self.wait_ready(*everyone[1:])
        return everyone

    def start_draining(
        self, pairs: int = 16, *, seconds: float = 0.25, finished: int = 5
    ) -> tuple[Role, Role, Role]:
        """Start everything with the usual load; return in the middle of its execution."""
        self.load(pairs, seconds)
        everyone = self.start_all()
        self.wait_runs()
        self.wait_mid_drain(finished)
        return everyone

    def start_launching(self, quick: int) -> None:
        """Start everything with the usual load and quick tasks; return at the first runs."""
        self.add_tasks(quick, "quick")
        self.load(16)
        self.start_all()
        self.wait(lambda: self.count() > 0, "the first runs")

    def wait_ready(self, *waited_for: Role) -> None:
        """Wait until these workers read their queues."""
        for role in waited_for:

            def ready(role: Role = role) -> bool:
                self.expect(
                    role.alive(), f"{role.name} ended with {role.process.poll()} at its start"
                )
                return role.ready()

            self.wait(ready, f"the start of {role.name}", seconds=60)

    def wait_slots(self, more: int) -> None:
        """Wait until *more* further launches of slots are published."""
        count = (
            "SELECT count(*) FROM taskadmin_launch"
            " WHERE kind = 'slot' AND state IN ('published', 'closed')"
        )
        before = self.value(count)
        seconds = self.settings["TASKADMIN_LAUNCH_INTERVAL_SECONDS"]
        self.wait(
            lambda: self.value(count) >= before + more,
            f"{more} more launches",
            seconds=60 + more * seconds,
        )

    def breakpoint(self, when: str, match: str, *, count: int = 1, action: str = "kill") -> str:
        """Return the value of ``FAULTS_BREAKPOINT``; see ``host.Breakpoint``."""
        return json.dumps(
            {
                "when": when,
                "match": match,
                "count": count,
                "action": action,
                "file": str(self.folder / "breakpoint"),
            }
        )

    def breakpoint_met(self) -> bool:
        """Return whether a process has reached the breakpoint."""
        return (self.folder / "breakpoint").exists()

    # Connections to the servers

    def run_task_name(self) -> str:
        """Return the name of the Celery task that executes runs, from a worker's list of tasks."""
        texts = "".join(role.text() for role in self.roles)
        known = "taskadmin.run\n" in texts
        return "taskadmin.run" if known else "taskadmin.generate_random_number_task"

    def proxy_broker(self) -> Proxy:
        """Connect processes that are started from now on to the broker through a proxy."""
        proxy = Proxy(self.broker.port)
        self.proxies.append(proxy)
        self.broker_port = proxy.port
        return proxy

    def proxy_database(self) -> Proxy:
        """Connect processes that are started from now on to the database through a proxy."""
        proxy = Proxy(self.postgresql.port)
        self.proxies.append(proxy)
        self.database_port = proxy.port
        return proxy

    # Ending

    def supervise(self) -> None:
        """Restart processes that end from now on, as a supervisor does."""

        def watch() -> None:
            while not self._ending.wait(0.5):
                for role in self.roles:
                    if not role.alive():
                        role.start()

        self._supervisor = threading.Thread(target=watch, daemon=True)
        self._supervisor.start()

    def restart_broker(self) -> None:
        """Start the killed broker again."""
        self.broker.start()
        self.supervise_on_redis()

    def supervise_on_redis(self) -> None:
        """Supervise from the end of a fault of Redis on, which may end a worker.

        A worker that loses the connection restores its unacknowledged messages over it, which can
        raise (``AttributeError`` in kombu's ``_connparams``), and a full Redis refuses
        acknowledgements.
        """
        if isinstance(self.broker, RedisOfOurOwn):
            self.supervise()

    def end_processes(self) -> None:
        """End every process; it may finish what it has begun."""
        self._ending.set()
        if self._supervisor is not None:
            self._supervisor.join()
        for proxy in self.proxies:
            proxy.slow(0)
        role_module.end(self.roles, seconds=8)

    def tail(self, characters: int = 3000) -> str:
        """Return the end of each process's output, with earlier warnings and errors."""
        return "\n".join(
            f"--- {role.name} (exit code {role.process.poll()})\n{role.text()[-characters:]}"
            for role in self.roles
        )


def _inherited() -> dict[str, str]:
    """Return the environment, with compiled modules kept for faster starts."""
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "compiled")
    return environment
