"""Launcher, worker and beat as threads of one process."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery.result import assert_will_not_block
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import bad_jobs
from services.servers.processes import wait_for
from taskadmin import RegistrationError
from taskadmin.jobs import registry
from taskadmin.models import RunState, TaskResult
from taskadmin.queue import EmbeddedProcesses
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.settings import Settings
from taskadmin.store.upkeep import recovery

pytestmark = [
    pytest.mark.databases("sqlite"),
    pytest.mark.settings(
        TASKADMIN_LAUNCH_INTERVAL_SECONDS=86400,
        TASKADMIN_TICK_SECONDS=0.2,
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 15}},
    ),
]


def states(session: Session) -> Counter[RunState]:
    """Return the number of runs by state."""
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
    """It launches at once, and stops all of its threads.

    Meanwhile and afterwards, other threads can wait for replies to the host's own Celery tasks.
    """
    for _ in range(3):
        make_task()

    with EmbeddedProcesses(app):
        wait_for(lambda: states(session) == {RunState.SUCCEEDED: 3}, what="three results")
        assert_will_not_block()
    assert_will_not_block()


def test_runs_left_queued_by_an_earlier_process_are_executed(
    app: Flask, session: Session, make_task: MakeTask
) -> None:
    """Messages are lost with the process, but rows aren't, and are sent again."""
    make_task()
    celery = app.extensions["taskadmin"].celery
    run_turn(session, celery, Settings(launch_interval_seconds=86400))
    with celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("taskadmin.runs")
    assert states(session) == {RunState.QUEUED: 1}

    with EmbeddedProcesses(app, beat=False):
        wait_for(lambda: states(session) == {RunState.SUCCEEDED: 1}, what="the result")

    assert session.scalars(select(TaskResult.published_at)).one() is not None, "sent again"


def test_a_full_disk_lets_it_start(
    app: Flask,
    session: Session,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Runs sent before are executed, and recording them is retried."""
    make_task()
    celery = app.extensions["taskadmin"].celery
    run_turn(session, celery, Settings(launch_interval_seconds=86400))
    with celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("taskadmin.runs")

    def fail(*_: Any) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError("COMMIT", {}, full)

    monkeypatch.setattr(recovery, "note_sent", fail)
    with EmbeddedProcesses(app, beat=False):
        wait_for(lambda: states(session) == {RunState.SUCCEEDED: 1}, what="the result")
    assert "wait for the launcher: database or disk is full" in caplog.text


def test_exceptions_of_jobs_do_not_end_the_thread(
    app: Flask, session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread executes the next run, and each exception is one failed attempt."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    bad_jobs.register()
    for name in ("keyboard", "cancelled", "exit_3", "panic_unrecorded", "fine"):
        make_task(job=name)

    with EmbeddedProcesses(app):
        expected = {RunState.FAILED: 4, RunState.SUCCEEDED: 1}
        wait_for(lambda: states(session) == expected, what="five outcomes")

    assert set(session.scalars(select(TaskResult.attempts))) == {1}


@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//"})
def test_another_broker_is_refused(app: Flask) -> None:
    """Only the in-memory broker works with threads."""
    with pytest.raises(RegistrationError) as refused:
        EmbeddedProcesses(app).start()

    assert str(refused.value) == (
        "EmbeddedProcesses needs the in-memory broker: set CELERY to EMBEDDED_CELERY."
    )
