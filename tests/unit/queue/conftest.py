"""Runs of test jobs, and the process that executes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.deliveries import QueueRuns, Rows, Slow
from services.ledger.heartbeats import StubHeartbeat
from services.ledger.messages import empty_queues
from services.rows.runs import DUE
from taskadmin.jobs import all_jobs, job, registry
from taskadmin.models import TaskResult
from taskadmin.queue.executor import execution, outcomes
from taskadmin.queue.executor.timing import timing_of
from taskadmin.store.runs.results import insert_runs


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a test's jobs at its end."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))


@pytest.fixture
def celery(app: Flask) -> Celery:
    """The Celery application of the app under test, its queues empty."""
    return empty_queues(app.extensions["taskadmin"].celery)


@pytest.fixture
def heartbeat(session: Session) -> StubHeartbeat:
    """This process's heartbeat."""
    return StubHeartbeat(session)


@pytest.fixture
def queue_runs(session: Session, make_task: MakeTask) -> QueueRuns:
    """Queue runs of a job, due at ``DUE``, each of its own task."""

    def queue(function: Callable[..., Any], number: int = 1, **options: Any) -> list[int]:
        registry._jobs.pop("a_job", None)
        job(function, name="a_job", **options)
        wanted = "number" in all_jobs()["a_job"].arguments.model_fields
        tasks = [
            make_task(job="a_job", params={"number": place} if wanted else {})
            for place in range(number)
        ]
        insert_runs(session, tasks, launch_id=1, due_at=DUE, jobs=all_jobs())
        session.commit()
        of_these = TaskResult.task_id.in_([task.id for task in tasks])
        ids = session.scalars(select(TaskResult.id).where(of_these).order_by(TaskResult.id))
        found = list(ids)
        session.rollback()
        return found

    return queue


@pytest.fixture
def rows(session: Session) -> Rows:
    """Read runs from the database."""

    def read(ids: Sequence[int] | None = None) -> list[TaskResult]:
        session.rollback()
        session.expire_all()
        which = () if ids is None else (TaskResult.id.in_(ids),)
        found = session.scalars(select(TaskResult).where(*which).order_by(TaskResult.id)).all()
        for run in found:
            session.expunge(run)
        session.rollback()
        return list(found)

    return read


@pytest.fixture(params=[False, True], ids=["unclaimed", "claimed"])
def record_start(request: pytest.FixtureRequest) -> bool:
    """Whether starts of runs are recorded; tests run with both."""
    recorded: bool = request.param
    return recorded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The stopped clock of a message's execution: ``clock.now``, in seconds."""
    clock = SimpleNamespace(now=1_000.0)
    for module in (execution, outcomes):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def take_no_time(session: Session) -> None:
    """Mark runs of ``a_job`` as short, so that all runs of a message are claimed together."""
    timing_of(session).add("a_job", 0.0)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits for an unreachable database."""
    slept: list[float] = []
    sleep = time.sleep

    def note(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            slept.append(seconds)
        else:  # of another test
            sleep(seconds)

    monkeypatch.setattr("time.sleep", note)
    return slept


@pytest.fixture
def slow(session: Session, queue_runs: QueueRuns, take_no_time: None) -> Iterator[Slow]:
    """A message whose runs are claimed together."""
    slow = Slow(session, queue_runs)
    yield slow
    assert slow.failed == []
