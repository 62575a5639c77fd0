"""Exceptions of jobs, on real workers of every pool."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import bad_jobs
from services.jobs.bad_jobs import CASES, LEAKS
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.jobs import registry
from taskadmin.models import RunState, TaskResult
from taskadmin.queue import RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")

POOLS = {
    "prefork": ["-c", "2"],
    "threads": ["-P", "threads", "-c", "8"],
    "solo": ["-P", "solo"],
    "gevent": ["-P", "gevent", "-c", "8"],
    "eventlet": ["-P", "eventlet", "-c", "8"],
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    bad_jobs.register()


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """Register the bad jobs in the workers."""
    return {**host_config, "TASKADMIN_JOBS": "services.jobs.bad_jobs_registered"}


@pytest.mark.parametrize("pool", POOLS)
def test_whatever_a_job_raises_is_one_failed_attempt(
    session: Session, make_task: MakeTask, celery: Celery, processes: CeleryProcesses, pool: str
) -> None:
    """In every pool, the worker executes the next run, ends on TERM, and logs no secret."""

    def send(job: str, **params: Any) -> int:
        return runs.send(celery, runs.queue(session, make_task(job=job, params=params).id))

    worker = processes.worker("runs", RUNS_QUEUE, *POOLS[pool])
    ways = ("", "_unrecorded")
    sent = {f"{name}{way}": send(f"{name}{way}") for name in CASES for way in ways}
    leaks = [send(f"leak{way}", how=how) for how in LEAKS for way in ways]

    def none_is_open() -> bool:
        left = session.scalar(
            select(func.count()).select_from(TaskResult).where(TaskResult.finished_at.is_(None))
        )
        session.rollback()
        return left == 0

    # Before 5.7, Celery acknowledges messages of threads only every other second, eight at a time.
    wait_for(none_is_open, seconds=120, what="the end of every run")
    after = send("fine")
    runs.wait_until(session, after, RunState.SUCCEEDED)
    worker.terminate()
    assert worker.wait(timeout=30) == 0

    for name, run_id in sent.items():
        run, case = runs.row(session, run_id), CASES[name.removesuffix("_unrecorded")]
        assert (name, run.state, run.attempts) == (name, RunState.FAILED, 1)
        assert (run.error_type or "").startswith(case.error_type), name
        assert case.error in (run.error or ""), name
    assert all(runs.row(session, run_id).finished_at for run_id in leaks)
    assert "hunter2" not in processes.text("runs")
    assert "Traceback" not in processes.text("runs")


# Not in threads and solo, where they close the descriptor of Celery's event loop, often for good.
def test_a_job_that_closes_its_process_files_is_recorded_once(
    session: Session, make_task: MakeTask, celery: Celery, processes: CeleryProcesses
) -> None:
    """The outcome uses new connections; the redelivered message finds a finished run."""
    processes.worker("runs", RUNS_QUEUE, *POOLS["prefork"])
    sent = [
        runs.send(celery, runs.queue(session, make_task(job=name).id))
        for name in ("closes_files", "fine")
    ]
    for run_id in sent:
        runs.wait_until(session, run_id, RunState.SUCCEEDED)
        run = runs.row(session, run_id)
        assert (run.attempts, run.attempt_log) == (1, None)
