"""Time limits of runs, on real workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import limited_jobs, slow_jobs
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState, TaskResult
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")

BOTH = f"{LAUNCH_QUEUE},{RUNS_QUEUE}"


@pytest.fixture
def host_config(
    host_config: dict[str, Any], marks: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Register jobs that exceed their limits in the workers."""
    monkeypatch.setenv(limited_jobs.MARKS, str(marks))
    celery = {**host_config["CELERY"], "include": [slow_jobs.__name__, limited_jobs.__name__]}
    return {**host_config, "CELERY": celery, "TASKADMIN_LEASE_SECONDS": 6}


@pytest.fixture
def queue(session: Session, make_task: MakeTask) -> Callable[[str], int]:
    """Queue a run of a job."""
    return lambda job: runs.queue(session, make_task(job=job, enabled=False).id)


@pytest.fixture
def send(celery: Celery, queue: Callable[[str], int]) -> Callable[[str], int]:
    """Queue and send a run of a job."""
    return lambda job: runs.send(celery, queue(job))


def wait_for_ends(session: Session, run_ids: list[int], *, seconds: float = 60) -> list[TaskResult]:
    """Wait until these runs have finished, and return them in this order."""

    def ended() -> list[TaskResult] | None:
        session.rollback()
        found = [runs.row(session, run_id) for run_id in run_ids]
        return found if all(run.finished_at for run in found) else None

    return wait_for(ended, seconds=seconds, what="all runs' ends")


def gone_processes(session: Session) -> list[Process]:
    """Return pool processes that have ended."""
    session.rollback()
    gone = Process.kind == ProcessKind.CHILD, Process.gone_at.is_not(None)
    return list(session.scalars(select(Process).where(*gone)))


SOFT = "billiard.exceptions.SoftTimeLimitExceeded"
HARD = "TimeLimitExceeded"
#: Jobs, their runs' errors and attempts, and the number of processes that end with them.
ENDS = {
    "soft sleep": (SOFT, 1, 0),
    "soft compute": (SOFT, 1, 0),
    "soft backtrack": (SOFT, 1, 0),
    "soft in C": (SOFT, 1, 0),
    "hard sleep": (HARD, 1, 1),
    "hard compute": (HARD, 1, 1),
    "hard backtrack": (HARD, 1, 1),
    "hard hold": (HARD, 1, 1),
    "hard after soft": (HARD, 1, 1),
    "hard unclaimed": (HARD, 1, 1),
    "hard twice": (HARD, 2, 2),
}


def test_every_function_is_ended_at_its_limit(
    session: Session, send: Callable[[str], int], processes: CeleryProcesses
) -> None:
    """Waiting or computing, in Python or C; an exception ends it where possible."""
    processes.worker("all", BOTH, "-c", "4")
    processes.beat()
    found = wait_for_ends(session, [send(job) for job in ENDS])

    assert {run.job: (run.error_type, run.attempts) for run in found} == {
        job: (error, attempts) for job, (error, attempts, _) in ENDS.items()
    }
    for run in found:
        assert run.started_at is not None and run.finished_at is not None
        took = (run.finished_at - run.started_at).total_seconds()
        assert took < 30, (run.job, took)
    # A process without claims may not be registered.
    number = sum(ended for *_, ended in ENDS.values())
    wait_for(lambda: len(gone_processes(session)) >= number - 1, what="the processes' ends")
    gone = gone_processes(session)
    assert len(gone) <= number
    assert {process.ending for process in gone} == {ProcessEnd.TIME_LIMIT}
    assert {process.reason for process in gone} == {
        "It took longer than the job's limit of 1 s.",
        "It took longer than the job's limit of 2 s.",
    }


def test_a_function_that_returns_at_its_limit_has_one_outcome(
    session: Session, send: Callable[[str], int], processes: CeleryProcesses
) -> None:
    """In a hundred runs, it returns or gets the exception, and its process continues."""
    processes.worker("runs", RUNS_QUEUE, "-c", "2")
    found = wait_for_ends(session, [send("just in time") for _ in range(100)])

    assert {run.error_type for run in found} <= {None, SOFT}
    assert {run.attempts for run in found} == {1}
    assert gone_processes(session) == []
    told = processes.text("runs")
    assert "given back" not in told
    assert "waits for the database" not in told


@pytest.mark.parametrize("kind", ["", " unclaimed"], ids=["claimed", "unclaimed"])
def test_neighbours_of_a_function_that_is_killed_are_executed_once(
    session: Session,
    celery: Celery,
    queue: Callable[[str], int],
    processes: CeleryProcesses,
    marks: Path,
    kind: str,
) -> None:
    """Earlier runs of its message and those not yet started."""
    processes.worker("all", BOTH, "-c", "2")
    processes.beat()
    jobs = ("mark", "mark", "hard marked", "mark", "mark")
    ids = [queue(job + kind) for job in jobs]
    runs.send_together(celery, ids)
    found = wait_for_ends(session, ids)

    assert [run.error_type for run in found] == [None, None, HARD, None, None]
    assert [run.attempts for run in found] == [1] * 5
    assert len(marks.read_text().split()) == 5


@pytest.mark.parametrize("job", ["nap in time", "nap in soft time"])
def test_a_result_returned_in_time_survives_an_outage(
    session: Session, send: Callable[[str], int], processes: CeleryProcesses, job: str
) -> None:
    """The job returns after one of its two seconds; its result can't be written for six."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    napping = send(job)
    runs.wait_until(session, napping, RunState.RUNNING)

    session.execute(text("LOCK TABLE taskadmin_task_result IN ACCESS EXCLUSIVE MODE"))
    time.sleep(6)
    session.rollback()

    runs.wait_until(session, napping, RunState.SUCCEEDED)
    run = runs.row(session, napping)
    assert (run.attempts, run.error_type, run.attempt_log) == (1, None, None)
    assert gone_processes(session) == []


def test_a_limit_that_is_reached_in_an_outage_is_recorded_after_it(
    session: Session, send: Callable[[str], int], processes: CeleryProcesses
) -> None:
    """The process ends, and a new one executes the waiting runs."""
    processes.worker("all", BOTH, "-c", "1")
    sleeping = send("hard sleep")
    runs.wait_until(session, sleeping, RunState.RUNNING)
    begun = time.monotonic()
    session.execute(
        text("LOCK TABLE taskadmin_task_result, taskadmin_process IN ACCESS EXCLUSIVE MODE")
    )
    wait_for(lambda: "SIGKILL" in processes.text("all"), what="the process's end")
    assert 5 < time.monotonic() - begun < 10
    session.rollback()
    processes.beat()

    [run] = wait_for_ends(session, [sleeping])
    assert (run.error_type, run.attempts) == (HARD, 1)
    [gone] = gone_processes(session)
    assert gone.ending == ProcessEnd.TIME_LIMIT


def test_limits_of_celerys_own_are_not_kept(
    session: Session,
    celery: Celery,
    queue: Callable[[str], int],
    processes: CeleryProcesses,
) -> None:
    """Limits of a worker's command line or of older launchers' messages have no effect."""
    flags = ("--soft-time-limit", "0.3", "--time-limit", "0.6")
    processes.worker("runs", RUNS_QUEUE, "-c", "1", *flags)
    napping = queue("nap")
    celery.tasks["taskadmin.run"].apply_async(
        (napping, runs.DUE.isoformat()), queue=RUNS_QUEUE, time_limit=0.5, soft_time_limit=0.2
    )
    [run] = wait_for_ends(session, [napping])
    assert (run.state, run.attempts) == (RunState.SUCCEEDED, 1)
    assert "time limit" not in processes.text("runs")
