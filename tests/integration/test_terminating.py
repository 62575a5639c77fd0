"""Terminating a running run, on real workers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services import runs, slow_jobs
from services.processes import CeleryProcesses, wait_for
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState
from taskadmin.queue import RUNS_QUEUE
from taskadmin.queue.control import (
    BROKER_AWAY,
    IMPOSSIBLE,
    TERMINATED,
    UNANSWERED,
    terminate_runs,
)
from taskadmin.store import recovery
from taskadmin.store.audit import Actor
from taskadmin.store.run_actions import cancel_runs

pytestmark = pytest.mark.databases("postgresql")

ADA = Actor(None, "ada", "192.0.2.1")


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """With the slow jobs in the workers."""
    celery = {**host_config["CELERY"], "include": [slow_jobs.__name__]}
    return {**host_config, "CELERY": celery}


@pytest.fixture
def celery(make_app: MakeApp, host_config: dict[str, Any]) -> Celery:
    """The application that asks."""
    celery: Celery = make_app(**host_config).extensions["taskadmin"].celery
    return celery


@pytest.fixture
def send(session: Session, make_task: MakeTask, celery: Celery) -> Callable[..., int]:
    """Queues a run of a job and sends it."""

    def send(**task: Any) -> int:
        return runs.send(celery, runs.queue(session, make_task(**task).id))

    return send


def test_a_terminated_run_stays_cancelled_and_its_worker_goes_on(
    session: Session, celery: Celery, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """Its process ends at once, which is no failure of the run; the next run gets another one."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    slow = send(job="sleep")
    runs.wait_until(session, slow, RunState.RUNNING)
    waiting = send()

    assert cancel_runs(session, [slow], actor=ADA, running=True).running == [slow]
    begun = time.monotonic()
    assert terminate_runs(celery, [slow], timeout_seconds=5) == {slow: TERMINATED}
    assert time.monotonic() - begun < 4, "it waits for no more answers than it needs"

    runs.wait_until(session, waiting, RunState.SUCCEEDED)
    assert time.monotonic() - begun < 20, "the next run has waited for the job's end"

    def ended() -> Process | None:
        session.rollback()
        gone = select(Process).where(
            Process.kind == ProcessKind.CHILD, Process.gone_at.is_not(None)
        )
        return session.scalars(gone).first()

    child = wait_for(ended, what="the child's end")
    assert (child.ending, child.reason) == (ProcessEnd.STOPPED, "A person terminated its run.")
    assert recovery.take_back(session, lost_attempts=3) == (0, 0)
    run = runs.row(session, slow)
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled by ada.")
    assert (run.attempts, run.error_type) == (1, None)


def test_a_job_that_does_not_end_is_killed(
    session: Session, celery: Celery, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """After five seconds in which it ignored the signal."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    stubborn = send(job="sleep_on")
    runs.wait_until(session, stubborn, RunState.RUNNING)
    waiting = send()
    begun = time.monotonic()
    cancel_runs(session, [stubborn], actor=ADA, running=True)
    assert terminate_runs(celery, [stubborn], timeout_seconds=5) == {stubborn: TERMINATED}
    runs.wait_until(session, waiting, RunState.SUCCEEDED)
    assert 4 < time.monotonic() - begun < 25


def test_a_pool_of_threads_can_not(
    session: Session, celery: Celery, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """The run stays cancelled, and its job ends when it ends."""
    processes.worker("runs", RUNS_QUEUE, "-P", "threads", "-c", "2")
    slow = send(job="sleep")
    runs.wait_until(session, slow, RunState.RUNNING)
    cancel_runs(session, [slow], actor=ADA, running=True)
    assert terminate_runs(celery, [slow, 999], timeout_seconds=2) == {
        slow: IMPOSSIBLE,
        999: UNANSWERED,
    }


def test_without_workers_nobody_answers(celery: Celery) -> None:
    """The page doesn't wait for longer than it was told."""
    begun = time.monotonic()
    assert terminate_runs(celery, [1, 2]) == {1: UNANSWERED, 2: UNANSWERED}
    assert terminate_runs(celery, []) == {}
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "silent"])
def test_a_broker_that_is_away_is_not_waited_for(silent: bool) -> None:
    """Whether it refuses the connection or takes it and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if silent else 1
        celery = Celery("test", set_as_current=False, broker=f"amqp://127.0.0.1:{port}//")
        begun = time.monotonic()
        assert terminate_runs(celery, [1]) == {1: BROKER_AWAY}
        assert time.monotonic() - begun < 3
