"""One repetition of a fault: its database, virtual host and processes, and what must hold."""

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
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from kombu import Connection

from . import roles as role_module
from .catalogue import Fault, Unexpected
from .proxy import Proxy
from .roles import TESTS, Role
from .servers import ROLE, PostgresqlOfOurOwn, RabbitmqOfOurOwn
from .watch import WATCH

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

#: Executions of one run that end as planned, by job.
PLANNED: dict[str, int] = {"poison": LOST_ATTEMPTS, "exits": LOST_ATTEMPTS}
#: How a run of each job ends: state, error type; of others succeeded.
ENDS: dict[str, tuple[str, str]] = {
    "poison": ("failed", "WorkerLost"),
    "exits": ("failed", "WorkerLost"),
    "memory": ("failed", "MemoryError"),
    "hangs": ("failed", "TimeLimitExceeded"),
    "slow": ("failed", "SoftTimeLimitExceeded"),
}


@dataclass(slots=True)
class Verdict:
    """What one repetition came to."""

    fault: str
    repetition: int
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    executions: int = 0
    allowed: int = 0
    recovery_seconds: float | None = None
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    logs: str = ""
    skipped: str | None = None

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def line(self) -> str:
        """The verdict in one line."""
        if self.skipped:
            return f"{self.fault}: skipped, {self.skipped}"
        recovery = "-" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        return (
            f"{'ok  ' if self.good else 'FAIL'} {self.fault} #{self.repetition}: {self.runs} runs,"
            f" {self.lost} lost, {self.doubled} doubled, {self.executions} executions of at most"
            f" {self.allowed}, recovery {recovery}, took {self.seconds:.0f} s"
        )


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
        seed: int | None = None,
    ) -> None:
        self.fault = fault
        self.postgresql = postgresql
        self.rabbitmq = rabbitmq
        self.short = short
        self.random = random.Random(seed)  # noqa: S311 - moments, no secrets
        self.folder = Path(tempfile.mkdtemp(prefix="stage-"))
        self.executions_file = self.folder / "executions"
        self.executions_file.touch()
        self.settings = {**SETTINGS, **fault.settings}
        self.environment: dict[str, str] = {}
        self.roles: list[Role] = []
        self.proxies: list[Proxy] = []
        self.broker_port: int | None = None
        self.database_port: int | None = None
        #: Executions allowed above the plan.
        self.extra = fault.extra
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

    def config(self) -> dict[str, Any]:
        """Flask's settings of the processes."""
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

    def worker(self, name: str = "worker", concurrency: int = 2, **environment: str) -> Role:
        """Start a worker for runs."""
        return self.start(
            name,
            *("worker", "-Q", RUNS_QUEUE, "-n", f"{name}@%h", "-l", "INFO"),
            *("-c", str(concurrency), "--without-gossip", "--without-mingle"),
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
        if not self.count("finished_at IS NULL"):
            raise Unexpected("everything was finished before the fault came")

    def expect(self, fact: object, otherwise: str) -> None:
        """Raise ``Unexpected`` with the text *otherwise* unless *fact* holds."""
        if not fact:
            raise Unexpected(otherwise)

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

    def finish(self) -> None:
        """Wait until every launch there is now is closed with all its runs finished."""
        last: int | None = None

        def done() -> bool:
            nonlocal last
            if last is None:
                last = self.value("SELECT max(id) FROM taskadmin_launch")
            if last is None:
                return False
            if self.value("SELECT count(*) FROM taskadmin_launch") < self.launches:
                last = None
                return False
            self._last_launch = last
            return not self._unfinished() and not self.value(
                "SELECT count(*) FROM taskadmin_launch"
                " WHERE id <= %s AND state NOT IN ('closed', 'missed')",
                last,
            )

        try:
            self.wait(done, "the end of every run", seconds=self.deadline_seconds)
        except Unexpected as late:
            states = self.sql(
                "SELECT job, state, count(*) FROM taskadmin_task_result"
                " WHERE finished_at IS NULL GROUP BY 1, 2"
            )
            launches = self.sql(
                "SELECT id, slot, state, owner_until, after_task_id, upto_task_id, published_id"
                " FROM taskadmin_launch WHERE state NOT IN ('closed', 'missed') ORDER BY id LIMIT 5"
            )
            raise Unexpected(
                f"{late}: open runs {[tuple(map(str, row)) for row in states]},"
                f" open launches {[tuple(map(str, row)) for row in launches]}"
            ) from None

    _last_launch = 0

    def _unfinished(self) -> int:
        """Runs of (task, slot) that are missing or open."""
        return int(
            self.value(
                "SELECT count(*) FROM taskadmin_launch l JOIN taskadmin_task t"
                " ON t.id <= l.upto_task_id AND t.enabled LEFT JOIN taskadmin_task_result r"
                " ON r.task_id = t.id AND r.due_at = l.slot AND r.finished_at IS NOT NULL"
                " WHERE l.kind = 'slot' AND l.state <> 'missed' AND l.id <= %s AND r.id IS NULL",
                self._last_launch,
            )
        )

    def judge(self, verdict: Verdict) -> None:
        """Check the invariants; the processes have ended."""
        self._last_launch = (
            self._last_launch or self.value("SELECT max(id) FROM taskadmin_launch") or 0
        )
        rows = self.sql(
            "SELECT r.id, r.state, r.error_type, r.job, r.task_params ->> 'marker',"
            " (r.task_params ->> 'fails')::int, r.launch_id FROM taskadmin_task_result r ORDER BY r.id"
        )
        judged = [row for row in rows if row[6] <= self._last_launch]
        verdict.lost = self._unfinished()
        if not self._last_launch:
            verdict.lost = int(self.value("SELECT count(*) FROM taskadmin_task WHERE enabled"))
        # Runs of a slot that began after the end may still be open.
        verdict.runs = sum(
            row[6] <= self._last_launch or row[1] not in ("queued", "running") for row in rows
        )
        self._judge_doubled(verdict)
        self._judge_slots(verdict)
        self._judge_ends(verdict, judged)
        self._judge_executions(verdict, rows)
        if self.fault_ended is not None:
            last = self.value(
                "SELECT extract(epoch FROM max(w.at)) FROM watch.log w JOIN taskadmin_task_result r"
                " ON r.id = w.run_id WHERE w.final AND r.launch_id <= %s",
                self._last_launch,
            )
            if last is not None:
                verdict.recovery_seconds = max(0.0, float(last) - self.fault_ended)

    def _judge_doubled(self, verdict: Verdict) -> None:
        again = self.sql("SELECT run_id FROM watch.log WHERE final GROUP BY 1 HAVING count(*) > 1")
        changed = self.sql("SELECT DISTINCT run_id FROM watch.log WHERE changed")
        twice = self.sql(
            "SELECT task_id, due_at FROM watch.log WHERE op = 'INSERT'"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        )
        slots = self.sql(
            "SELECT slot FROM taskadmin_launch WHERE kind = 'slot' GROUP BY 1 HAVING count(*) > 1"
        )
        doubled = {row[0] for row in [*again, *changed]}
        verdict.doubled = len(doubled) + len(twice) + len(slots)
        if doubled:
            history = self.sql(
                "SELECT run_id, before, after, at::text FROM watch.log WHERE run_id = %s ORDER BY at",
                min(doubled),
            )
            verdict.problems.append(f"a finished run changed: {history}")

    def _judge_slots(self, verdict: Verdict) -> None:
        interval = timedelta(seconds=self.settings["TASKADMIN_LAUNCH_INTERVAL_SECONDS"])
        slots = {
            row[0]
            for row in self.sql(
                "SELECT slot FROM taskadmin_launch WHERE kind = 'slot' AND id <= %s",
                self._last_launch,
            )
        }
        if not slots:
            verdict.problems.append("no slot was launched")
            return
        wanted = set()
        for begin, end in self.stretches or [(min(slots), max(slots))]:
            slot = _EPOCH + -(-(begin - _EPOCH) // interval) * interval
            while slot <= end:
                wanted.add(slot)
                slot += interval
        if missing := sorted(wanted - slots):
            verdict.problems.append(
                f"{len(missing)} of {len(wanted)} slots have neither a launch nor a record of"
                f" having been missed, the first is {missing[0]:%H:%M:%S}"
            )

    def _judge_ends(self, verdict: Verdict, rows: Sequence[tuple[Any, ...]]) -> None:
        wrong: Counter[str] = Counter()
        for _id, state, error_type, job, marker, _fails, _launch in rows:
            if state in ("queued", "running"):
                continue  # lost, and counted as such
            wanted = self.ends.get(marker) or ENDS.get(job) or ("succeeded", None)
            wanted_state, wanted_error = wanted
            if state != wanted_state or (
                wanted_error is not None and wanted_error not in (error_type or "")
            ):
                wrong[
                    f"a run of {job} ended {state} ({error_type}),"
                    f" not {wanted_state} ({wanted_error})"
                ] += 1
        for text, count in wrong.items():
            verdict.problems.append(f"{text}: {count} times")

    def _judge_executions(self, verdict: Verdict, rows: Sequence[tuple[Any, ...]]) -> None:
        counted = Counter(marker for marker, _, _ in self.executions())
        planned: Counter[str] = Counter()
        succeeded: Counter[str] = Counter()
        for _id, state, _error, job, marker, fails, _launch in rows:
            if marker is None:
                continue
            planned[marker] += PLANNED.get(job, (fails or 0) + 1)
            succeeded[marker] += state == "succeeded"
        verdict.executions = sum(counted.values())
        verdict.allowed = sum(planned.values()) + self.extra
        surplus = {m: n - planned[m] for m, n in counted.items() if n > planned[m]}
        if sum(surplus.values()) > self.extra:
            verdict.problems.append(
                f"{sum(surplus.values())} executions too many, {self.extra} are allowed:"
                f" {dict(list(surplus.items())[:10])}"
            )
        unexecuted = [m for m, n in succeeded.items() if counted[m] < n]
        if unexecuted:
            verdict.problems.append(f"recorded, but not executed: {unexecuted[:10]}")

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

    def keep(self, verdict: Verdict) -> None:
        """Copy the whole logs to the folder ``FAULTS_KEEP``, if that is set."""
        if not os.environ.get("FAULTS_KEEP"):
            return
        name = f"{verdict.fault} {verdict.repetition}".replace("/", "-")
        folder = Path(os.environ["FAULTS_KEEP"]) / name
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


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


__all__ = ["WATCH", "Stage", "Verdict"]
