"""Launcher, worker and beat as threads of one process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.processes import wait_for
from taskadmin import RegistrationError
from taskadmin.models import RunState, TaskResult
from taskadmin.queue import EmbeddedProcesses
from taskadmin.queue.launcher import run_turn
from taskadmin.settings import Settings

pytestmark = [
    pytest.mark.databases("sqlite"),
    pytest.mark.settings(
        TASKADMIN_LAUNCH_INTERVAL_SECONDS=86400,
        TASKADMIN_TICK_SECONDS=0.2,
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 15}},
    ),
]


def states(session: Session) -> Counter[RunState]:
    """How many runs are in which state."""
    counted = Counter(session.scalars(select(TaskResult.state)))
    session.rollback()
    return counted


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = {thread for thread in threading.enumerate() if thread.is_alive()} - before
    assert not left, f"threads that are still running: {left}"


def test_results_come_without_any_server(app: Flask, session: Session, make_task: MakeTask) -> None:
    """Started, it launches at once; stopped, no thread is left."""
    for _ in range(3):
        make_task()

    with EmbeddedProcesses(app):
        wait_for(lambda: states(session) == {RunState.SUCCEEDED: 3}, what="three results")


def test_what_an_earlier_process_left_queued_is_run(
    app: Flask, session: Session, make_task: MakeTask
) -> None:
    """Messages die with the process; the rows don't, and are sent again at the next start."""
    make_task()
    celery = app.extensions["taskadmin"].celery
    run_turn(session, celery, Settings(launch_interval_seconds=86400))
    with celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("taskadmin.runs")
    assert states(session) == {RunState.QUEUED: 1}

    with EmbeddedProcesses(app, beat=False):
        wait_for(lambda: states(session) == {RunState.SUCCEEDED: 1}, what="the result")

    assert session.scalars(select(TaskResult.published_at)).one() is not None, "sent again"


@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//"})
def test_another_broker_is_refused(app: Flask) -> None:
    """Threads and a broker of several processes don't go together."""
    with pytest.raises(RegistrationError) as refused:
        EmbeddedProcesses(app).start()

    assert str(refused.value) == (
        "EmbeddedProcesses needs the in-memory broker: set CELERY to EMBEDDED_CELERY."
    )
