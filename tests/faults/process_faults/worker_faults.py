"""Workers that are killed or stopped, and jobs that end their worker's process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from ..catalogue import fault
from ..mode import current_mode
from ..stages.processes import LEASE_SECONDS
from ..stages.roles import Role
from ..stages.stage import Stage

AREA = "worker"
#: Processes of a worker's pool, so the most jobs in progress when it dies.
POOL = 2


def _busy_child(stage: Stage, worker: Role) -> int:
    """Return a pool process that executes a run."""

    def find() -> int | None:
        children = set(worker.children())
        return next((pid for _, _, pid in reversed(stage.executions()) if pid in children), None)

    return stage.wait(find, "a busy pool process")


@fault("worker child killed", area=AREA, extra=1, processes=True)
def child_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of a pool process during a run."""
    _, _, worker = stage.start_draining()
    os.kill(_busy_child(stage, worker), signal.SIGKILL)
    yield
    stage.expect(worker.alive(), "the worker ended because a pool process did")


@fault("worker children killed again and again", area=AREA, extra=4, processes=True)
def children_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of four pool processes, one after the other."""
    _, _, worker = stage.start_draining(24, finished=2)
    for _ in range(4):
        os.kill(_busy_child(stage, worker), signal.SIGKILL)
        stage.sleep(0.6)
    yield


@fault("worker parent killed", area=AREA, extra=POOL)
def parent_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of a worker's main process; another worker is started."""
    _, _, worker = stage.start_draining()
    worker.kill()
    stage.worker("second")
    yield


@fault("worker group killed", area=AREA, extra=POOL)
def group_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of a worker and its pool; another worker is started."""
    _, _, worker = stage.start_draining()
    worker.send_group(signal.SIGKILL)
    stage.worker("second")
    yield


@fault("one of two workers killed", area=AREA, extra=POOL)
def one_of_two_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 of a worker and its pool; the second worker does the rest."""
    stage.load(24)
    second = stage.worker("second")
    stage.start_all()
    stage.wait_ready(second)
    stage.wait_mid_drain()
    second.send_group(signal.SIGKILL)
    yield


@fault("worker stopped past its lease", area=AREA, extra=POOL)
def stopped_past_lease(stage: Stage) -> Iterator[None]:
    """SIGSTOP of a worker and its pool for longer than the lease, then SIGCONT."""
    _, _, worker = stage.start_draining()
    worker.send_group(signal.SIGSTOP)
    second = stage.worker("second")
    stage.wait_ready(second)
    stage.sleep(LEASE_SECONDS + 2)
    worker.send_group(signal.SIGCONT)
    yield


@fault("worker child stopped past the lease", area=AREA, extra=1, processes=True)
def child_stopped(stage: Stage) -> Iterator[None]:
    """SIGSTOP of a pool process for longer than the lease, then SIGCONT."""
    _, _, worker = stage.start_draining()
    child = _busy_child(stage, worker)
    os.kill(child, signal.SIGSTOP)
    stage.sleep(LEASE_SECONDS + 2)
    if child in worker.children():
        os.kill(child, signal.SIGCONT)
    yield


@fault("TERM, then KILL after 2 s", area=AREA, extra=POOL)
def term_then_kill(stage: Stage) -> Iterator[None]:
    """A worker is terminated without enough time for its jobs of 4 s."""
    stage.add_tasks(6, "quick")
    stage.add_tasks(4, "steady", seconds=4.0)
    _, _, worker = stage.start_all()
    stage.wait(lambda: len(stage.executions()) >= 8, "two long jobs under way")
    worker.send(signal.SIGTERM)
    stage.sleep(2)
    worker.send_group(signal.SIGKILL)
    stage.worker("second")
    yield


@fault("TERM with time to finish", area=AREA)
def term_with_time(stage: Stage) -> Iterator[None]:
    """A terminated worker finishes its jobs and is replaced; nothing runs twice."""
    _, _, worker = stage.start_draining(16, seconds=0.5)
    worker.send(signal.SIGTERM)
    stage.expect(worker.wait(60) == 0, f"the worker ended with {worker.process.poll()}")
    stage.worker("second")
    yield


@fault("TERM hands back what isn't done in time", area=AREA, extra=POOL, processes=True)
def handed_back(stage: Stage) -> Iterator[None]:
    """As in the compose file, with 1 s: jobs of 6 s go to the next worker, with all attempts."""
    stage.add_tasks(6, "quick")
    stage.add_tasks(4, "steady", seconds=6.0)
    stage.beat()
    launcher = stage.launcher()
    worker = stage.worker(REMAP_SIGTERM="SIGQUIT", SOFT_SHUTDOWN_SECONDS="1")
    stage.wait_ready(launcher, worker)
    stage.wait(lambda: len(stage.executions()) >= 8, "two long jobs under way")
    worker.send(signal.SIGTERM)
    stage.expect(worker.wait(60) is not None, "the worker didn't end")
    stage.worker("second")
    yield
    charged = stage.value("SELECT count(*) FROM taskadmin_task_result WHERE attempts > 1")
    stage.expect(not charged, f"{charged} runs lost an attempt by the stop")


@fault("worker child killed before a commit", area=AREA, extra=1)
def killed_before_commit(stage: Stage) -> Iterator[None]:
    """A pool process dies after writing an outcome and before its commit."""
    yield from _killed_at(stage, "commit")


@fault("worker child killed after a commit", area=AREA, extra=1)
def killed_after_commit(stage: Stage) -> Iterator[None]:
    """A pool process dies between a run's commit and the acknowledgement of its message."""
    yield from _killed_at(stage, "committed")


def _killed_at(stage: Stage, when: str) -> Iterator[None]:
    stage.load(12, seconds=0.1)
    point = stage.breakpoint(when, "UPDATE taskadmin_task_result", count=4)
    stage.beat()
    stage.worker(FAULTS_BREAKPOINT=point)
    stage.launcher()
    stage.wait(stage.breakpoint_met, "the breakpoint", seconds=45)
    if not current_mode().has_processes:
        stage.worker("second")  # the worker itself was killed
    yield


@fault("job that kills its process every time", area=AREA, processes=True)
def poison(stage: Stage) -> Iterator[None]:
    """The job kills its process with -9: it fails after three attempts, other runs are unharmed."""
    stage.load(8, seconds=0.1)
    stage.add_tasks(2, "poison", seconds=0.1)
    stage.load(8, seconds=0.1)
    stage.extra = 2 * 3  # a job beside it, each time its process dies
    _, _, worker = stage.start_all()
    stage.wait_mid_drain()
    yield
    stage.expect(worker.alive(), "the worker ended")


@fault("job that calls os._exit", area=AREA, processes=True)
def exits(stage: Stage) -> Iterator[None]:
    """The pool process exits without an error, every time."""
    stage.load(8, seconds=0.1)
    stage.add_tasks(1, "exits")
    stage.load(8, seconds=0.1)
    stage.extra = 3
    stage.start_all()
    stage.wait_mid_drain()
    yield


@fault("job that runs out of memory", area=AREA)
def memory(stage: Stage) -> Iterator[None]:
    """MemoryError is recorded as the run's failure."""
    stage.load(4, seconds=0.1)
    stage.add_tasks(2, "memory")
    stage.start_draining(8, seconds=0.1, finished=2)
    yield


@fault("hard time limit", area=AREA, processes=True)
def hard_limit(stage: Stage) -> Iterator[None]:
    """A job that never ends is killed at its limit and recorded as failed."""
    stage.load(4, seconds=0.1)
    stage.add_tasks(2, "hangs")
    stage.start_draining(8, seconds=0.1, finished=2)
    yield


@fault("soft time limit", area=AREA, processes=True)
def soft_limit(stage: Stage) -> Iterator[None]:
    """A job that exceeds its soft limit gets an exception and is recorded as failed."""
    stage.load(4, seconds=0.1)
    stage.add_tasks(2, "slow", seconds=8.0)
    stage.start_draining(8, seconds=0.1, finished=2)
    yield


@fault("job that fails twice, then succeeds", area=AREA)
def flaky(stage: Stage) -> Iterator[None]:
    """The job's own retry policy: three attempts with a delay, one row."""
    stage.load(8, seconds=0.1)
    stage.add_tasks(3, "flaky", fails=2)
    stage.start_all()
    stage.wait_mid_drain(2)
    yield
    attempts = {
        row[0]
        for row in stage.sql("SELECT attempts FROM taskadmin_task_result WHERE job = 'flaky'")
    }
    stage.expect(attempts == {3}, f"flaky runs have {attempts} attempts, not 3")


@fault("idle worker killed", area=AREA)
def idle_killed(stage: Stage) -> Iterator[None]:
    """An idle worker dies; the next worker executes the next slot's runs."""
    stage.add_tasks(6, "quick")
    stage.add_tasks(2, "steady")
    worker = stage.worker()
    stage.wait_ready(worker)
    worker.send_group(signal.SIGKILL)
    stage.launcher()
    stage.beat()
    stage.wait_runs(45)
    stage.worker("second")
    stage.ended()
    time.sleep(0.1)
    yield
