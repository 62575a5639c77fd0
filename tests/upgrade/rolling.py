"""Replace the processes of a version by those of another one, one after the other, and back."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import requests

from faults.catalogue import Fault
from faults.judge import Verdict
from faults.lanes import Lane, Turn
from faults.stages.roles import Role
from faults.stages.stage import Stage
from faults.stages.watch import WATCH
from services.servers.postgresql import free_port

from .versions import CURRENT, Version
from .visitor import HEALTH, NAME, Visitor

PASSWORD = "Overhead-pelican-42"
SLOT_SECONDS = 6
#: Seconds that a terminated process has, as in containers by default.
PATIENCE_SECONDS = 30
#: Seconds between due times of the task with a schedule of its own.
EVERY_SECONDS = 2
#: Names of processes, in the order in which they are replaced.
ORDERS: dict[str, Sequence[str]] = {
    "workers first": ("worker", "worker2", "launcher", "launcher2", "beat", "web", "web2"),
    "workers last": ("launcher", "launcher2", "beat", "web", "web2", "worker", "worker2"),
}
#: Of the short form, which takes a minute and a half.
SHORT_ORDER = ("worker", "launcher", "beat", "web", "web2")
FLASK = ("flask", "--app", "faults.stages.host:app", "taskadmin")


@dataclass(slots=True)
class Result:
    """What an upgrade counted besides runs."""

    requests: int = 0
    pages: int = 0
    logins: int = 0
    #: Seconds of each phase.
    seconds: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """The result on one line."""
        phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        return (
            f"{self.requests} requests for {self.pages} pages answered,"
            f" logged in {self.logins} times; {phases}"
        )

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note how many seconds a phase takes."""
        begun = time.monotonic()
        yield
        self.seconds[phase] = time.monotonic() - begun


class Servers(Lane):
    """PostgreSQL and RabbitMQ for upgrades, which migrate their databases themselves."""

    def _migrated(self) -> str:
        return ""


class Upgrade:
    """One upgrade and the way back, with work in every state."""

    def __init__(self, earlier: Version, order: Sequence[str]) -> None:
        self._earlier = earlier
        self._order = order
        self.result = Result()

    def play(self, servers: Servers, name: str) -> Verdict:
        """Upgrade and go back; return what was counted."""
        settings = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": SLOT_SECONDS}
        fault = Fault(name=name, area="upgrade", scenario=self._scenario, settings=settings)
        return servers.play(Turn(fault, 1))

    def _scenario(self, stage: Stage) -> Iterator[None]:
        steps = Steps(stage, self._order)
        stage.python = self._earlier.python
        stage.environment["PYTHONFAULTHANDLER"] = "1"
        with self.result.timed("begin"):
            steps.prepare()
            steps.start()
            visitor = steps.visitor()
            stage.wait_slots(1)
        before = stage.value("SELECT version_num FROM taskadmin_alembic_version")
        with self.result.timed("migrate"):
            steps.command(CURRENT, "db", "upgrade")
        stage.wait_slots(1)
        with self.result.timed("upgrade"):
            steps.replace(self._order, CURRENT)
        stage.wait_slots(1)
        with self.result.timed("go back"):
            steps.replace(self._order, self._earlier)
        stage.wait_slots(1)
        with self.result.timed("downgrade"):
            steps.command(CURRENT, "db", "downgrade", before)
        stage.ended()
        stage.wait_slots(1)
        yield
        visitor.stop()
        self._judge(stage, visitor, steps)

    def _judge(self, stage: Stage, visitor: Visitor, steps: Steps) -> None:
        self.result.requests = visitor.answered
        self.result.pages = len(visitor.paths)
        self.result.logins = visitor.logins
        stage.expect(not steps.aborted, f"didn't end in time: {steps.aborted}")
        steps.expect_schedule()
        steps.expect_presses(visitor)
        errors = visitor.problems
        stage.expect(not errors, f"{len(errors)} requests failed: {errors[:5]}")


class Steps:
    """The steps of an upgrade on a stage."""

    def __init__(self, stage: Stage, names: Sequence[str]) -> None:
        self._stage = stage
        self._names = names
        #: Processes that didn't end in time.
        self.aborted: list[str] = []
        self._ports = {name: free_port() for name in ("web", "web2")}

    def command(self, version: Version, *arguments: str) -> None:
        """Run ``flask taskadmin`` of a version, and wait until it has ended."""
        stage = self._stage
        before, stage.python = stage.python, version.python
        done = stage.start("flask", *FLASK, *arguments, PASSWORD=PASSWORD)
        stage.python = before
        stage.expect(done.wait(60) == 0, f"flask {' '.join(arguments)}: {done.text()[-3000:]}")

    def prepare(self) -> None:
        """Create tables with the stage's version, and work in every state."""
        stage = self._stage
        earlier = Version("earlier", stage.python)
        self.command(earlier, "db", "upgrade")
        stage.sql(WATCH)
        self.command(earlier, "create-superuser", NAME, "--password-env", "PASSWORD")
        stage.add_tasks(12, "quick", seconds=0.05)
        stage.add_tasks(6, "steady", seconds=0.3)
        stage.sql(
            "INSERT INTO taskadmin_task (name, job, lower_limit, upper_limit, created_by,"
            " created_at, updated_at) SELECT 'number', 'generate_random_number', 1, 10, min(id),"
            " now(), now() FROM taskadmin_user"
        )
        # Run while processes are replaced, and wait for their second attempt.
        stage.add_tasks(1, "steady", seconds=4)
        stage.add_tasks(2, "patient", fails=1)
        (paused,) = stage.add_tasks(1, "quick")
        (marker,) = stage.sql(
            "UPDATE taskadmin_task SET enabled = false WHERE id = %s RETURNING params ->> 'marker'",
            paused,
        )[0]
        stage.ends[marker] = ("skipped", None)
        self._pressed, self._scheduled = stage.add_tasks(2, "quick")
        stage.sql(
            "INSERT INTO taskadmin_schedule (task_id, kind, every_s, next_due)"
            # Due times are multiples of the interval.
            " VALUES (%s, 'interval', %s, to_timestamp(%s))",
            *(self._scheduled, EVERY_SECONDS, (time.time() // EVERY_SECONDS + 4) * EVERY_SECONDS),
        )

    def start(self) -> None:
        """Start all processes with the stage's version."""
        stage = self._stage
        for name in self._names:
            if name in self._ports:
                self._start_web(name)
            elif name == "beat":
                stage.beat()
            else:
                (stage.worker if name.startswith("worker") else stage.launcher)(name)
        for name in self._names:
            self._wait_ready(stage.role(name))

    def _start_web(self, name: str) -> None:
        # --preload: it refuses connections until it can answer.
        options = ("--preload", "--threads", "4", "--no-control-socket")
        address = f"127.0.0.1:{self._ports[name]}"
        self._stage.start(name, "gunicorn", *options, "-b", address, "faults.stages.host:app")

    def _address(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def visitor(self) -> Visitor:
        """Return a user who has begun to read pages and to start a task."""
        addresses = [self._address(name) for name in self._ports]
        visitor = Visitor(addresses, PASSWORD, self._pressed)
        self._stage.on_close(visitor.stop)
        visitor.start()
        return visitor

    def replace(self, order: Sequence[str], version: Version) -> None:
        """Replace each process by one of *version*, and wait until it works."""
        for name in order:
            role = self._stage.role(name)
            role.send(signal.SIGTERM)
            if role.wait(PATIENCE_SECONDS) is None:
                self.aborted.append(f"{name} of {role.python}")
                role.send(signal.SIGABRT)  # prints where its threads are
                role.wait(10)
            role.python = version.python
            role.start()
            self._wait_ready(role)
        self._stage.python = version.python

    def _wait_ready(self, role: Role) -> None:
        if role.name in self._ports:
            self._stage.wait(lambda: self._answers(role.name), f"answers of {role.name}")
        elif role.name != "beat":
            self._stage.wait_ready(role)

    def _answers(self, name: str) -> bool:
        try:
            return requests.get(self._address(name) + HEALTH, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def expect_schedule(self) -> None:
        """Check that the task with its own schedule has a run for each due time."""
        rows = self._stage.sql(
            "SELECT r.due_at FROM taskadmin_task_result r JOIN taskadmin_launch l"
            " ON l.id = r.launch_id WHERE r.task_id = %s AND l.kind <> 'manual' ORDER BY 1",
            self._scheduled,
        )
        due = [row[0] for row in rows]
        gaps = {later - earlier for earlier, later in pairwise(due)}
        self._stage.expect(
            gaps == {timedelta(seconds=EVERY_SECONDS)}, f"due times are apart by {gaps}"
        )

    def expect_presses(self, visitor: Visitor) -> None:
        """Check that there is a run for each time that a page said so."""
        there = self._stage.value("SELECT count(*) FROM taskadmin_launch WHERE kind = 'manual'")
        self._stage.expect(
            0 < visitor.promised <= there <= visitor.pressed,
            f"pressed {visitor.pressed} times, {visitor.promised} promised, {there} are there",
        )
