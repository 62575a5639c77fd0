"""Terminate running runs, on real workers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import limited_jobs, slow_jobs
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.worker.control import (
    BROKER_AWAY,
    IMPOSSIBLE,
    TERMINATED,
    UNANSWERED,
    terminate_runs,
)
from taskadmin.store.launches.run_actions import cancel_runs
from taskadmin.store.people.audit import Actor

pytestmark = pytest.mark.databases("postgresql")

ADA = Actor(None, "ada", "192.0.2.1")


#: Reason of a pool process's end.
ENDED = ProcessEnd.STOPPED, "A person terminated its run."


@pytest.fixture
def host_config(
    host_config: dict[str, Any], marks: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Register the slow jobs in the workers."""
    monkeypatch.setenv(limited_jobs.MARKS, str(marks))
    celery = {**host_config["CELERY"], "include": [slow_jobs.__name__, limited_jobs.__name__]}
    return {**host_config, "CELERY": celery}


@pytest.fixture
def send(session: Session, make_task: MakeTask, celery: Celery) -> Callable[..., int]:
    """Queue and send a run of a job."""

    def send(**task: Any) -> int:
        return runs.send(celery, runs.queue(session, make_task(**task).id))

    return send


@pytest.mark.parametrize(
    ("job", "after", "ends"),
    [
        ("sleep marked", 0, []),
        ("sleep unclaimed", 0, []),
        ("go on", 5, [ENDED]),
        ("hold", 7, [ENDED]),
    ],
)
def test_a_terminated_run_stays_cancelled_and_its_neighbours_are_executed_once(
    session: Session,
    celery: Celery,
    make_task: MakeTask,
    processes: CeleryProcesses,
    marks: Path,
    job: str,
    after: float,
    ends: list[Any],
) -> None:
    """Its process continues if an exception ends the job, and otherwise exits."""
    processes.worker("all", f"{LAUNCH_QUEUE},{RUNS_QUEUE}", "-c", "2")
    processes.beat()
    jobs = ("mark unclaimed", "mark", job, "mark", "mark unclaimed")
    ids = [runs.queue(session, make_task(job=one, enabled=False).id) for one in jobs]
    slow, others = ids[2], [*ids[:2], *ids[3:]]
    runs.send_together(celery, ids)
    wait_for(lambda: marks.exists() and len(marks.read_text().split()) == 3, what="the function")

    done = cancel_runs(session, [slow], actor=ADA, running=True)
    assert [*done.running, *done.unseen] == [slow]
    begun = time.monotonic()
    assert terminate_runs(celery, [slow], timeout_seconds=5) == {slow: TERMINATED}
    assert time.monotonic() - begun < 4, "it waits for no more answers than it needs"
    for run_id in others:
        runs.wait_until(session, run_id, RunState.SUCCEEDED)

    def gone() -> Sequence[Process]:
        session.rollback()
        ended = Process.kind == ProcessKind.CHILD, Process.gone_at.is_not(None)
        return session.scalars(select(Process).where(*ended)).all()

    if ends:
        wait_for(gone, what="the process's end")
    assert after <= time.monotonic() - begun < 30
    assert [(one.ending, one.reason) for one in gone()] == ends
    assert len(marks.read_text().split()) == 5
    assert {runs.row(session, run_id).attempts for run_id in others} == {1}
    run = runs.row(session, slow)
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled by ada.")
    assert (run.error_type, run.finished_at is not None) == (None, True)


def test_a_pool_of_threads_can_not(
    session: Session, celery: Celery, send: Callable[..., int], processes: CeleryProcesses
) -> None:
    """The run stays cancelled, and its job continues to its end."""
    processes.worker("runs", RUNS_QUEUE, "-P", "threads", "-c", "2")
    slow = send(job="sleep")
    runs.wait_until(session, slow, RunState.RUNNING)
    cancel_runs(session, [slow], actor=ADA, running=True)
    assert terminate_runs(celery, [slow, 999], timeout_seconds=2) == {
        slow: IMPOSSIBLE,
        999: UNANSWERED,
    }


def test_without_workers_there_is_no_answer(celery: Celery) -> None:
    """The page waits no longer than its timeout."""
    begun = time.monotonic()
    assert terminate_runs(celery, [1, 2]) == {1: UNANSWERED, 2: UNANSWERED}
    assert terminate_runs(celery, []) == {}
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "silent"])
def test_a_broker_that_is_away_is_not_waited_for(silent: bool) -> None:
    """Whether it refuses the connection or accepts it without responding."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if silent else 1
        celery = Celery("test", set_as_current=False, broker=f"amqp://127.0.0.1:{port}//")
        begun = time.monotonic()
        assert terminate_runs(celery, [1]) == {1: BROKER_AWAY}
        assert time.monotonic() - begun < 3
