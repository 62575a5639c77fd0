"""Time limits of runs, on real workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services import runs, slow_jobs
from services.processes import CeleryProcesses, wait_for
from taskadmin.models import Process, ProcessEnd, RunState
from taskadmin.queue import RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """With the slow jobs in the workers."""
    celery = {**host_config["CELERY"], "include": [slow_jobs.__name__]}
    return {**host_config, "CELERY": celery}


@pytest.fixture
def celery(make_app: MakeApp, host_config: dict[str, Any]) -> Celery:
    """The application that sends."""
    celery: Celery = make_app(**host_config).extensions["taskadmin"].celery
    return celery


@pytest.fixture
def send(session: Session, make_task: MakeTask, celery: Celery) -> Callable[..., int]:
    """Queues a run of a job and sends it with time limits."""

    def send(job: str, **limits: float) -> int:
        return runs.send(celery, runs.queue(session, make_task(job=job).id), **limits)

    return send


@pytest.mark.parametrize("limits", [{"time_limit": 2}, {"time_limit": 60, "soft_time_limit": 2}])
def test_what_was_returned_in_time_outlasts_an_outage(
    session: Session,
    send: Callable[..., int],
    processes: CeleryProcesses,
    limits: dict[str, float],
) -> None:
    """The job takes one of its two seconds; then its results can't be written for six."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    napping = send("nap", **limits)
    runs.wait_until(session, napping, RunState.RUNNING)

    session.execute(text("LOCK TABLE taskadmin_task_result IN ACCESS EXCLUSIVE MODE"))
    time.sleep(6)
    session.rollback()

    runs.wait_until(session, napping, RunState.SUCCEEDED)
    run = runs.row(session, napping)
    assert (run.attempts, run.error_type, run.attempt_log) == (1, None, None)
    assert session.scalars(select(Process).where(Process.gone_at.is_not(None))).all() == []
    assert "time limit" not in processes.text("runs")


def test_a_function_over_the_hard_limit_is_killed(
    session: Session, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """Whatever it does about it; the next run gets another process."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    send("sleep_on", time_limit=2)
    following = send("nap", time_limit=30)

    runs.wait_until(session, following, RunState.SUCCEEDED)
    gone = session.scalars(select(Process).where(Process.gone_at.is_not(None))).one()
    assert gone.ending == ProcessEnd.TIME_LIMIT
    assert gone.reason == "It took longer than the job's limit of 2 s."


def test_a_function_over_the_soft_limit_is_told(
    session: Session, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """It is an attempt that failed; its process goes on."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    sleeping = send("sleep", time_limit=30, soft_time_limit=2)

    def attempts() -> Any:
        session.rollback()
        return runs.row(session, sleeping).attempt_log

    [attempt] = wait_for(attempts, what="the attempt's end")
    assert attempt["error_type"].endswith("SoftTimeLimitExceeded")
    assert session.scalars(select(Process).where(Process.gone_at.is_not(None))).all() == []
