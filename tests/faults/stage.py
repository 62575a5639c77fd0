"""One repetition of a fault: its database, its virtual host and its processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from kombu import Connection

from . import roles as role_module
from .catalogue import Fault, TooLate, Unexpected
from .mode import current_mode
from .proxy import Proxy
from .roles import TESTS, Role
from .servers import ROLE, PostgresqlOfOurOwn, RabbitmqOfOurOwn

T = TypeVar("T")

DAY = 86400
LAUNCH_QUEUE = "taskadmin.launch"
RUNS_QUEUE = "taskadmin.runs"
LOST_ATTEMPTS = 3
#: Set on Ctrl-C: what waits then gives up.
STOPPING = threading.Event()
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


class Stage:
    """Where a fault is played: processes over a fresh database and a fresh virtual host."""

    def __init__(
        self,
        fault: Fault,
        postgresql: PostgresqlOfOurOwn,
        rabbitmq: RabbitmqOfOurOwn,
        template: str,
        *,
        short: bool = False,
        seed: str = "",
    ) -> None:
        self.fault = fault
        self.postgresql = postgresql
        self.rabbitmq = rabbitmq
        self.short = short
        self.random = random.Random(seed)  # noqa: S311 - moments, no secrets
        self.folder = Path(tempfile.mkdtemp(prefix="stage-"))
        self.executions_file = self.folder / "executions"
        self.executions_file.touch()
        self.settings = {**SETTINGS, **current_mode().settings(), **fault.settings}
        self.environment: dict[str, str] = {}
        self.roles: list[Role] = []
        self.proxies: list[Proxy] = []
        self.broker_port: int | None = None
        self.database_port: int | None = None
        #: Executions allowed above the plan.
        self.extra = fault.extra * current_mode().fate
        self.deadline_seconds = fault.deadline_seconds
        #: Ends that differ from the job's usual one, by marker: state and error type or None.
        self.ends: dict[str, tuple[str, str | None]] = {}
        #: Stretches of database time whose slots must all have a launch; None: first to last.
        self.stretches: list[tuple[datetime, datetime]] | None = None
        #: How many launches there must be at the least.
        self.launches = 1
        self.fault_ended: float | None = None
        self._watch: psycopg.Connection[Any] | None = None
        self._made = 0
        self._undo = contextlib.ExitStack()
        self.database = ""
        self.vhost = ""
        try:
            self.database = postgresql.create(template)
            self.vhost = rabbitmq.create()
        except BaseException:
            self.close()
            raise

    # Rows

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement as a superuser, with the real clock, and return its rows."""
        for attempt in (1, 2):
            try:
                if self._watch is None or self._watch.closed:
                    self._watch = self.postgresql.connect(self.database)
                    self._watch.execute("SET default_transaction_read_only = off")
                    self._watch.execute("SET search_path = public")
                    self._watch.execute("SET timezone = 'UTC'")
                cursor = self._watch.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                with contextlib.suppress(psycopg.Error):
                    if self._watch is not None:
                        self._watch.close()
                self._watch = None
                if attempt == 2:
                    raise
        return []

    def value(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        rows = self.sql(statement, *values)
        return rows[0][0] if rows else None

    def count(self, where: str = "true") -> int:
        """How many runs there are for which *where* holds."""
        return int(self.value(f"SELECT count(*) FROM taskadmin_task_result WHERE {where}"))

    def finished(self) -> int:
        """How many runs are finished."""
        return self.count("finished_at IS NOT NULL")

    def add_tasks(self, count: int, job: str = "quick", **params: Any) -> list[int]:
        """Insert tasks and return their ids; each has a marker of its own."""
        author = self.value("SELECT min(id) FROM taskadmin_user")
        ids = []
        for _ in range(count):
            self._made += 1
            arguments = json.dumps({"marker": f"m{self._made:05}", **params})
            ids.append((f"{job} {self._made}", job, arguments))
        rows = self.sql(
            "INSERT INTO taskadmin_task (name, job, params, enabled, created_by, created_at,"
            " updated_at) SELECT name, job, params, true, %s, now(), now()"
            " FROM unnest(%s::text[], %s::text[], %s::json[]) WITH ORDINALITY"
            " AS t (name, job, params, place) ORDER BY place RETURNING id",
            author,
            [each[0] for each in ids],
            [each[1] for each in ids],
            [each[2] for each in ids],
        )
        return [row[0] for row in rows]

    def load(self, pairs: int = 16, seconds: float = 0.25) -> None:
        """The usual load: as many quick tasks as steady ones, in turns."""
        for _ in range(pairs // 4):
            self.add_tasks(4, "quick")
            self.add_tasks(4, "steady", seconds=seconds)

    def executions(self) -> list[tuple[str, str, int]]:
        """Marker, job and process id of every execution so far."""
        lines = self.executions_file.read_text().splitlines()
        return [(parts[0], parts[1], int(parts[2])) for parts in map(str.split, lines)]

    # Processes

    def config(self, **celery: Any) -> dict[str, Any]:
        """Flask's settings of the processes; *celery* is added to Celery's."""
        database = self.postgresql.url.set(
            database=self.database, port=self.database_port or self.postgresql.port
        )
        return {
            **self.settings,
            "SQLALCHEMY_DATABASE_URI": database.render_as_string(hide_password=False),
            "CELERY": {
                "broker_url": self.rabbitmq.url(self.vhost, self.broker_port),
                "result_backend": "disabled://",
                # A half-open link is seen after two of them.
                "broker_heartbeat": 2,
                **celery,
                **self.settings.get("CELERY", {}),
            },
        }

    def start(self, name: str, *arguments: str, **environment: str) -> Role:
        """Start a Celery process; don't wait for it."""
        role = Role(
            name,
            arguments,
            self.folder,
            {
                **_inherited(),
                "FAULTS_HOST_CONFIG": json.dumps(self.config()),
                "FAULTS_EXECUTIONS": str(self.executions_file),
                "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
                # Celery warns that root shouldn't run a worker; containers and CI do.
                "C_FORCE_ROOT": "1",
                **self.environment,
                **environment,
            },
        )
        self.roles.append(role)
        return role

    def worker(
        self,
        name: str = "worker",
        concurrency: int = 2,
        *,
        queue: str = RUNS_QUEUE,
        **environment: str,
    ) -> Role:
        """Start a worker for runs."""
        if not current_mode().has_processes:
            # While it executes a job it sends no heartbeat.
            environment["FAULTS_HOST_CONFIG"] = json.dumps(self.config(broker_heartbeat=5))
        return self.start(
            name,
            *("worker", "-Q", queue, "-n", f"{name}@%h", "-l", "INFO"),
            *(
                "-P",
                current_mode().pool,
                "-c",
                str(concurrency),
                "--without-gossip",
                "--without-mingle",
            ),
            **environment,
        )

    def launcher(self, name: str = "launcher", **environment: str) -> Role:
        """Start a launcher."""
        return self.start(
            name,
            *("worker", "-Q", LAUNCH_QUEUE, "-n", f"{name}@%h", "-l", "INFO"),
            *("-P", "solo", "--without-gossip", "--without-mingle"),
            **environment,
        )

    def beat(self, name: str = "beat", **environment: str) -> Role:
        """Start beat."""
        return self.start(
            name,
            *("beat", "-s", str(self.folder / f"{name}-schedule"), "-l", "INFO", "--pidfile="),
            **environment,
        )

    def role(self, name: str) -> Role:
        """The process that was started under this name."""
        return next(role for role in self.roles if role.name == name)

    def start_all(self) -> tuple[Role, Role, Role]:
        """Start beat, one launcher and one worker at once; wait for the two workers."""
        everyone = self.beat(), self.launcher(), self.worker()
        self.wait_ready(*everyone[1:])
        return everyone

    def start_draining(
        self, pairs: int = 16, *, seconds: float = 0.25, finished: int = 5
    ) -> tuple[Role, Role, Role]:
        """Start everything over the usual load; returns in the middle of its work."""
        self.load(pairs, seconds)
        everyone = self.start_all()
        self.wait_runs()
        self.wait_mid_drain(finished)
        return everyone

    def wait_ready(self, *waited_for: Role) -> None:
        """Wait until these workers read their queues."""
        for role in waited_for:

            def ready(role: Role = role) -> bool:
                self.expect(
                    role.alive(), f"{role.name} ended with {role.process.poll()} at its start"
                )
                return role.ready()

            self.wait(ready, f"the start of {role.name}", seconds=60)

    def breakpoint(self, when: str, match: str, *, count: int = 1, action: str = "kill") -> str:
        """What ``FAULTS_BREAKPOINT`` is set to; see ``host.Breakpoint``."""
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
        """Whether a process got to the breakpoint."""
        return (self.folder / "breakpoint").exists()

    # Waiting

    def wait(self, look: Callable[[], T | None], what: str, *, seconds: float = 30.0) -> T:
        """Call *look* until it returns something true, and return that."""
        deadline = time.monotonic() + seconds
        while True:
            found = None
            with contextlib.suppress(psycopg.OperationalError):
                found = look()
            if found:
                return found
            if STOPPING.is_set():
                raise Unexpected("the suite is ending")
            if time.monotonic() > deadline:
                raise Unexpected(f"{what} didn't come about within {seconds:g} s")
            time.sleep(0.05)

    def wait_runs(self, seconds: float = 30.0) -> None:
        """Wait until the launch has written its runs."""
        self.wait(
            lambda: self.value(
                "SELECT true FROM taskadmin_launch WHERE state IN ('published', 'closed')"
            ),
            "the publishing of the launch",
            seconds=seconds,
        )

    def wait_mid_drain(self, finished: int = 5) -> None:
        """Wait until some runs are finished; there must be more to do."""
        self.wait(lambda: self.finished() >= finished, f"{finished} finished runs", seconds=45)
        self.expect_in_time(
            self.count("finished_at IS NULL"), "everything was finished before the fault came"
        )

    def expect(self, fact: object, otherwise: str) -> None:
        """Raise ``Unexpected`` with the text *otherwise* unless *fact* holds."""
        if not fact:
            raise Unexpected(otherwise)

    def expect_in_time(self, fact: object, otherwise: str) -> None:
        """Unless *fact* holds the fault came too late, and is played again."""
        if not fact:
            raise TooLate(otherwise)

    def wait_launch_under_way(self, runs: int) -> None:
        """Wait until the launch has written this many runs; there must be more to write."""
        self.wait(lambda: self.count() >= runs, f"{runs} runs", seconds=45)
        self.expect_launch_open()

    def expect_launch_open(self) -> None:
        """The fault has met the launch in the middle, or is played again."""
        self.expect_in_time(
            self.value("SELECT true FROM taskadmin_launch WHERE state = 'opening'"),
            "the launch was over before the fault came",
        )

    def ended(self) -> None:
        """Note that the fault is over; otherwise it is at the scenario's ``yield``."""
        self.fault_ended = time.time()

    def sleep(self, seconds: float) -> None:
        """Let the fault last."""
        if STOPPING.wait(seconds):
            raise Unexpected("the suite is ending")

    # The broker's and the database's

    @contextlib.contextmanager
    def broker(self) -> Iterator[Any]:
        """A channel of the suite's own, not through a proxy."""
        with Connection(self.rabbitmq.url(self.vhost), connect_timeout=5) as connection:
            yield connection.default_channel

    def ready_messages(self, queue: str) -> int:
        """How many messages wait in a queue; 0 if it isn't there."""
        try:
            with self.broker() as channel:
                return int(channel.queue_declare(queue, passive=True).message_count)
        except Exception:  # noqa: BLE001 - channel errors of several libraries: no such queue
            return 0

    def all_messages(self, queue: str) -> int:
        """How many messages a queue has, with those that a worker holds."""
        printed = self.rabbitmq.control("list_queues", "-p", self.vhost, "name", "messages")
        counts = dict(line.split("\t") for line in printed.splitlines() if "\t" in line)
        return int(counts.get(queue, "0"))

    def send(self, task: str, args: Sequence[Any], queue: str, times: int = 1) -> None:
        """Publish a Celery message as the package does."""
        self.send_raw(
            json.dumps([list(args), {}, {}]).encode(),
            queue,
            times=times,
            headers=lambda: celery_headers(task),
        )

    def send_raw(
        self,
        body: bytes,
        queue: str,
        *,
        times: int = 1,
        headers: Callable[[], dict[str, Any]] = dict,
        content_type: str = "application/json",
        content_encoding: str = "utf-8",
    ) -> None:
        """Publish a message with any body."""
        with self.broker() as channel:
            for _ in range(times):
                message = channel.prepare_message(
                    body,
                    content_type=content_type,
                    content_encoding=content_encoding,
                    headers=headers(),
                    properties={"delivery_mode": 2, "correlation_id": os.urandom(8).hex()},
                )
                channel.basic_publish(message, exchange="", routing_key=queue)

    def run_task_name(self) -> str:
        """Name of the Celery task that runs are sent with, read from a worker's list of tasks."""
        texts = "".join(role.text() for role in self.roles)
        known = "taskadmin.run\n" in texts
        return "taskadmin.run" if known else "taskadmin.generate_random_number_task"

    def open_runs(self) -> list[tuple[int, str]]:
        """Id and due time of each run that isn't finished."""
        return [
            (row[0], row[1].isoformat())
            for row in self.sql(
                "SELECT id, due_at FROM taskadmin_task_result WHERE finished_at IS NULL ORDER BY id"
            )
        ]

    def proxy_broker(self) -> Proxy:
        """Processes that are started from now on reach the broker through a proxy."""
        proxy = Proxy(self.rabbitmq.port)
        self.proxies.append(proxy)
        self.broker_port = proxy.port
        return proxy

    def proxy_database(self) -> Proxy:
        """Processes that are started from now on reach the database through a proxy."""
        proxy = Proxy(self.postgresql.port)
        self.proxies.append(proxy)
        self.database_port = proxy.port
        return proxy

    def terminate_backends(self) -> int:
        """Disconnect the processes from the database."""
        with self.postgresql.connect("postgres") as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = %s",
                (self.database, ROLE),
            ).fetchall()
            return len(rows)

    def alter_database(self, what: str) -> None:
        """ALTER DATABASE … *what*; holds for connections made from now on."""
        with self.postgresql.connect("postgres") as connection:
            connection.execute(f'ALTER DATABASE "{self.database}" {what}')

    def use_own_clock(self, offset: timedelta = timedelta(0)) -> None:
        """Give the processes' sessions a ``clock_timestamp()`` that is off; call before they start."""
        self.sql("CREATE SCHEMA clock")
        # Seconds, not an interval: days in one follow the session's changes of time.
        self.sql('CREATE TABLE clock."offset" (seconds double precision)')
        self.sql('INSERT INTO clock."offset" VALUES (%s)', offset.total_seconds())
        self.sql(
            "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
            " $$ SELECT pg_catalog.clock_timestamp()"
            ' + (SELECT pg_catalog.make_interval(secs => seconds) FROM clock."offset") $$'
        )
        self.sql(f"GRANT USAGE ON SCHEMA clock TO {ROLE}")
        self.sql(f'GRANT SELECT ON clock."offset" TO {ROLE}')
        self.alter_database("SET search_path = clock, public, pg_catalog")

    def set_clock(self, offset: timedelta) -> None:
        """Let the database's clock jump to real time + *offset*."""
        self.sql('UPDATE clock."offset" SET seconds = %s', offset.total_seconds())

    def database_time(self) -> datetime:
        """Now by the clock that the processes see."""
        if self.value("SELECT to_regclass('clock.\"offset\"') IS NOT NULL"):
            return self.value("SELECT clock.clock_timestamp()")  # type: ignore[no-any-return]
        return self.value("SELECT clock_timestamp()")  # type: ignore[no-any-return]

    # The end

    def end_processes(self) -> None:
        """End every process; what they have begun they may finish."""
        for proxy in self.proxies:
            proxy.slow(0)
        role_module.end(self.roles, seconds=8)

    def tail(self, characters: int = 3000) -> str:
        """The end of what each process printed, warnings and errors before that."""
        return "\n".join(
            f"--- {role.name} (exit code {role.process.poll()})\n{role.text()[-characters:]}"
            for role in self.roles
        )

    def keep(self, name: str) -> None:
        """Copy the whole logs to the folder ``FAULTS_KEEP``, if that is set."""
        if not os.environ.get("FAULTS_KEEP"):
            return
        folder = Path(os.environ["FAULTS_KEEP"]) / name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for file in (*(role.log for role in self.roles), self.executions_file):
            shutil.copy(file, folder)
        with contextlib.suppress(psycopg.Error):
            rows = self.sql("SELECT * FROM watch.log ORDER BY at")
            (folder / "runs").write_text("\n".join(" ".join(map(str, row)) for row in rows))

    def on_close(self, undo: Callable[[], object]) -> None:
        """Call *undo* when the repetition ends, whatever happened."""
        self._undo.callback(undo)

    def close(self) -> None:
        """End and remove everything that belongs to this repetition."""
        for role in self.roles:
            with contextlib.suppress(OSError):
                role.send_group(signal.SIGKILL)
        with contextlib.suppress(Exception):
            self._undo.close()
        for proxy in self.proxies:
            with contextlib.suppress(Exception):
                proxy.close()
        if self._watch is not None:
            with contextlib.suppress(psycopg.Error):
                self._watch.close()
        if self.database:
            with contextlib.suppress(psycopg.Error):
                self.postgresql.drop(self.database)
        if self.vhost:
            with contextlib.suppress(RuntimeError, OSError):
                self.rabbitmq.drop(self.vhost)
        shutil.rmtree(self.folder, ignore_errors=True)


def _inherited() -> dict[str, str]:
    """The environment; compiled modules are kept, because each process would compile them again."""
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "compiled")
    return environment


def celery_headers(task: str) -> dict[str, Any]:
    """Headers of a Celery message, protocol 2."""
    identity = os.urandom(16).hex()
    return {
        "lang": "py",
        "task": task,
        "id": identity,
        "root_id": identity,
        "parent_id": None,
        "group": None,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "origin": "faults",
        "ignore_result": True,
    }
