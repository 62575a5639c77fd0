"""Fixtures for tests of health checks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from secrets import token_hex
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from kombu import Connection
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, registry
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessKind,
    RunState,
    TaskResult,
)
from taskadmin.queue.celery_app.queues import (
    LAUNCH_QUEUE,
    RUNS_QUEUE,
    consumed_queues,
    dead_queue,
    declare_queue,
)
from taskadmin.store.database.clock import now


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections without responding."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def rabbit_app(make_app: MakeApp, broker_url: str) -> Flask:
    """An application with a real broker."""
    return make_app(CELERY={"broker_url": broker_url, "result_backend": "disabled://"})


@pytest.fixture
def queues(broker_url: str) -> Iterator[Any]:
    """A channel of a broker with taskadmin's queues."""
    with Connection(broker_url) as connection:
        for queue in (*consumed_queues(), dead_queue()):
            declare_queue(connection, queue)
        yield connection.default_channel


@pytest.fixture
def add_process(session: Session) -> Callable[..., Process]:
    """Add processes seen so many seconds ago."""

    def add(kind: ProcessKind, *, silent: float = 0.0, **values: Any) -> Process:
        seen_at = now(session) - timedelta(seconds=silent)
        process = Process(
            **{
                "id": uuid4(),
                "kind": kind,
                "name": f"{kind}@here",
                "host": "here",
                "pid": 7,
                "started_at": seen_at,
                "seen_at": seen_at,
            }
            | values
        )
        session.add(process)
        session.commit()
        return process

    return add


@pytest.fixture
def tick(session: Session) -> Callable[[float], None]:
    """Record a launcher's tick so many seconds ago."""

    def note(seconds_ago: float) -> None:
        state = session.get_one(LedgerState, 1)
        state.ticked_at = now(session) - timedelta(seconds=seconds_ago)
        session.commit()

    return note


@pytest.fixture
def add_launch(session: Session) -> Callable[..., Launch]:
    """Add launches opened, and if closed, closed so many seconds ago."""

    def add(state: LaunchState, *, seconds_ago: float, kind: str = LaunchKind.MANUAL) -> Launch:
        moment = now(session) - timedelta(seconds=seconds_ago)
        launch = Launch(
            kind=kind,
            slot=moment if kind == LaunchKind.SLOT else None,
            state=state,
            opened_at=moment,
            closed_at=moment if state == LaunchState.CLOSED else None,
        )
        session.add(launch)
        session.commit()
        return launch

    return add


@pytest.fixture
def add_run(
    session: Session, make_task: MakeTask, add_launch: Callable[..., Launch]
) -> Callable[..., TaskResult]:
    """Add queued runs of published launches."""

    def add(*, seconds_ago: float, **values: Any) -> TaskResult:
        launch = add_launch(LaunchState.PUBLISHED, seconds_ago=seconds_ago)
        task = make_task()
        run = TaskResult(
            **{
                "task_id": task.id,
                "launch_id": launch.id,
                "due_at": launch.opened_at,
                "job": task.job,
                "queue": "taskadmin.runs",
                "task_params": {},
                "state": RunState.QUEUED,
                "queued_at": launch.opened_at,
            }
            | values
        )
        session.add(run)
        session.commit()
        return run

    return add


@pytest.fixture
def all_well(
    rabbit_app: Flask,
    queues: Any,
    add_process: Callable[..., Process],
    tick: Callable[[float], None],
) -> Flask:
    """An application without problems, with simulated consumers."""
    rabbit_app.secret_key = token_hex()
    for name in (LAUNCH_QUEUE, RUNS_QUEUE):
        queues.basic_consume(name)
    add_process(ProcessKind.BEAT)
    add_process(ProcessKind.LAUNCHER, queues=LAUNCH_QUEUE)
    add_process(ProcessKind.WORKER, queues=RUNS_QUEUE)
    tick(2)
    return rabbit_app


@pytest.fixture(autouse=True)
def only_the_built_in_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide other tests' jobs, which affect how long a run may wait."""
    name = GENERATE_RANDOM_NUMBER_JOB.name
    monkeypatch.setattr(registry, "_jobs", {name: GENERATE_RANDOM_NUMBER_JOB})
