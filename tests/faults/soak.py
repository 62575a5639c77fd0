"""Random faults for any length of time; the same seed gives the same plan."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator

from .catalogue import Fault, Unexpected
from .judge import Judge, Verdict
from .lanes import Lane
from .stages.processes import LAUNCH_QUEUE, LEASE_SECONDS, RUNS_QUEUE
from .stages.roles import Role
from .stages.stage import Stage

SLOT_SECONDS = 5
#: Maximum additional executions per fault: those that two workers have in progress.
_UNDER_WAY = 4

_SETTINGS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": SLOT_SECONDS, "TASKADMIN_PAGE_SIZE": 20}


def _never(stage: Stage) -> Iterator[None]:
    """Do nothing: the soak runs here, not in a lane."""
    yield from ()


def _restart(role: Role) -> None:
    if role.alive():
        role.send_group(signal.SIGKILL)
    role.start()


class Soak:
    """Beat, two launchers and two workers, and the faults to inject."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._seed = seed
        self._random = self._dice(0)
        stage.add_tasks(25, "quick")
        stage.add_tasks(15, "steady", seconds=0.05)
        stage.add_tasks(6, "steady", seconds=0.3)
        stage.add_tasks(2, "flaky", fails=1)
        stage.add_tasks(2, "memory")
        self._proxy = stage.proxy_broker()
        self._database_proxy = stage.proxy_database()
        self._launchers = stage.launcher("launcher1"), stage.launcher("launcher2")
        self._workers = stage.worker("worker1"), stage.worker("worker2")
        self._beat = stage.beat()
        self.done: Counter[str] = Counter()

    def run(self, seconds: float, say: Callable[[str], None]) -> None:
        """Inject faults until the time is up, then restore everything."""
        stage = self._stage
        stage.wait_ready(*self._launchers, *self._workers)
        stage.wait(stage.finished, "the first finished run", seconds=60)
        actions = [
            (name.removeprefix("do_"), getattr(self, name))
            for name in sorted(dir(type(self)))
            if name.startswith("do_")
        ]
        end = time.monotonic() + seconds
        for step in itertools.count(1):
            self._random = self._dice(step)
            pause = self._random.uniform(0.5, 6.0)
            name, action = self._random.choice(actions)
            if time.monotonic() + pause > end:
                break
            time.sleep(pause)
            begun = time.monotonic()
            action()
            self.done[name] += 1
            stage.extra += _UNDER_WAY
            self._revive()
            say(
                f"{seconds - (end - time.monotonic()):6.0f} s  {name.replace('_', ' ')}"
                f" ({time.monotonic() - begun:.1f} s)"
            )
        self._revive()
        stage.ended()

    def _dice(self, step: int) -> random.Random:
        """Return the random numbers of one step, which don't depend on earlier results."""
        return random.Random(self._seed * 1_000_000 + step)  # noqa: S311 - to be repeated

    def _revive(self) -> None:
        """Restart processes that have ended, as a supervisor does."""
        for role in (self._beat, *self._launchers, *self._workers):
            if not role.alive():
                _restart(role)

    def _worker(self) -> Role:
        return self._random.choice(self._workers)

    def do_kill_worker_child(self) -> None:
        children = self._worker().children()
        if children:
            os.kill(self._random.choice(children), signal.SIGKILL)

    def do_kill_worker_parent(self) -> None:
        self._worker().kill()

    def do_kill_worker_group(self) -> None:
        self._worker().send_group(signal.SIGKILL)

    def do_end_worker(self) -> None:
        worker = self._worker()
        worker.send(signal.SIGTERM)
        worker.wait(self._random.uniform(0.2, 4.0))

    def do_stop_worker(self) -> None:
        self._stop(self._worker())

    def do_kill_launcher(self) -> None:
        self._random.choice(self._launchers).kill()

    def do_stop_launcher(self) -> None:
        self._stop(self._random.choice(self._launchers))

    def do_kill_beat(self) -> None:
        self._beat.kill()

    def do_kill_everyone(self) -> None:
        for role in (self._beat, *self._launchers, *self._workers):
            role.send_group(signal.SIGKILL)

    def do_kill_broker(self) -> None:
        self._stage.broker.kill()
        self._stage.broker.start()

    def do_stop_database(self) -> None:
        self._stage.postgresql.stop(signal.SIGQUIT)
        time.sleep(self._random.uniform(0.0, 5.0))
        self._stage.postgresql.start()

    def do_terminate_sessions(self) -> None:
        for _ in range(self._random.randint(1, 4)):
            self._stage.terminate_backends()
            time.sleep(0.3)

    def do_lock_results(self) -> None:
        stage = self._stage
        with stage.postgresql.connect(stage.database) as connection, connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '20s'")
            connection.execute("LOCK TABLE taskadmin_task_result IN ACCESS EXCLUSIVE MODE")
            time.sleep(self._random.uniform(0.5, 4.0))

    def do_close_connections(self) -> None:
        self._stage.broker.close_connections(self._stage.vhost)

    def do_purge_runs(self) -> None:
        with self._stage.channel() as channel:
            if self._stage.ready_messages(RUNS_QUEUE):
                channel.queue_purge(RUNS_QUEUE)

    def do_delete_runs_queue(self) -> None:
        with self._stage.channel() as channel:
            channel.queue_delete(RUNS_QUEUE)

    def do_launch_messages(self) -> None:
        if self._stage.ready_messages(LAUNCH_QUEUE) < 100:
            self._stage.send("taskadmin.launch_tasks", [], LAUNCH_QUEUE, times=5)

    def do_messages_twice(self) -> None:
        stage = self._stage
        for run in stage.open_runs()[:20]:
            stage.send(stage.run_task_name(), run, RUNS_QUEUE)

    def do_half_open_broker(self) -> None:
        self._proxy.half_open()

    def do_half_open_database(self) -> None:
        self._database_proxy.half_open()
        time.sleep(self._random.uniform(1.0, 6.0))
        self._database_proxy.reset(frozen_only=True)

    def do_reset_broker(self) -> None:
        self._proxy.reset()

    def do_reset_database(self) -> None:
        self._database_proxy.reset()

    def do_slow_links(self) -> None:
        self._proxy.slow(0.03)
        self._database_proxy.slow(0.01)
        time.sleep(self._random.uniform(1.0, 5.0))
        self._proxy.slow(0)
        self._database_proxy.slow(0)

    def _stop(self, role: Role) -> None:
        role.send_group(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + self._random.uniform(-2.0, 4.0))
        role.send_group(signal.SIGCONT)


def play(
    *, minutes: float, seed: int, say: Callable[[str], None]
) -> tuple[list[Verdict], tuple[str, str]]:
    """Run the soak and judge it."""
    name = f"soak of {minutes:g} min, seed {seed}"
    fault = Fault(
        name=name, area="soak", scenario=_never, settings=_SETTINGS, deadline_seconds=120.0
    )
    verdict = Verdict(name, 1)
    begun = time.monotonic()
    lane = Lane(short=False, seed=seed)
    try:
        versions = lane.postgresql.version(), lane.broker.version()
        stage = Stage(fault, lane.postgresql, lane.broker, lane.template)
        try:
            _soak(stage, verdict, minutes, seed, say)
        finally:
            if not verdict.good:
                verdict.logs = stage.tail()
                stage.keep(f"{verdict.fault} {verdict.repetition}")
            stage.close()
    finally:
        lane.close()
    verdict.seconds = time.monotonic() - begun
    say(verdict.line())
    for text in verdict.problems:
        say(f"     {text}")
    if verdict.logs:
        say(verdict.logs)
    return [verdict], versions


def _soak(
    stage: Stage, verdict: Verdict, minutes: float, seed: int, say: Callable[[str], None]
) -> None:
    judge = Judge(stage)
    try:
        soak = Soak(stage, seed)
        soak.run(minutes * 60, say)
        judge.wait_for_the_end()
        time.sleep(1)
        missed = stage.value("SELECT count(*) FROM taskadmin_launch WHERE state = 'missed'")
        launched = stage.value("SELECT count(*) FROM taskadmin_launch WHERE state <> 'missed'")
        counted = ", ".join(f"{count} × {name}" for name, count in soak.done.most_common())
        say(f"{launched} slots launched, {missed} recorded as missed; {counted}")
    except Unexpected as problem:
        verdict.problems.append(str(problem))
    except Exception:  # noqa: BLE001 - judge the results so far
        verdict.problems.append(traceback.format_exc())
    finally:
        stage.end_processes()
    judge.judge(verdict)
