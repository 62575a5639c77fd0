"""Handlers of Celery's signals in its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from weakref import WeakSet

import pytest
from celery import Celery, signals
from celery.concurrency import prefork, solo
from flask import Flask
from kombu import Queue
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows import runs
from taskadmin.models import Process, ProcessEnd
from taskadmin.queue import RUNS_QUEUE
from taskadmin.queue.worker import heartbeat, lifecycle
from taskadmin.state import get_state
from taskadmin.store.runs import transitions


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run, due at DUE."""
    return runs.queue(session, make_task().id)


class Beat:
    """A sender of signals whose application doesn't use taskadmin."""

    app = Celery("stranger", set_as_current=False)


@pytest.fixture
def pool_of(app: Flask) -> Callable[[], Any]:
    """Return the application's pool of database connections."""

    def pool_of() -> Any:
        db = get_state(app).db
        assert db is not None
        with app.app_context():
            return db.engine.pool

    return pool_of


@pytest.mark.parametrize("selected", [RUNS_QUEUE, "orders"])
def test_a_pools_child_forgets_its_parents_connections(
    app: Flask, pool_of: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, selected: str
) -> None:
    """Two processes on one socket would block each other."""
    celery = app.extensions["taskadmin"].celery
    monkeypatch.setattr(lifecycle, "_consuming", WeakSet())
    monkeypatch.setattr(lifecycle, "declare_missing", lambda *_: None)
    worker = SimpleNamespace(app=celery)
    monkeypatch.setattr(celery.amqp.queues, "_consume_from", {selected: Queue(selected)})
    signals.celeryd_after_setup.send(sender="w1@host", instance=worker)
    before = pool_of()
    signals.worker_process_init.send(sender=None)
    assert (pool_of() is not before) == (selected == RUNS_QUEUE)


@pytest.mark.parametrize("forked", [True, False])
def test_a_beat_that_is_forked_from_its_worker_does_so_too(
    pool_of: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, forked: bool
) -> None:
    """At beat's first signal; a separate beat keeps them."""
    monkeypatch.setattr(lifecycle, "_PROGRAM_PID", os.getpid() + forked)
    before = pool_of()
    signals.beat_init.send(sender=Beat())
    assert (pool_of() is not before) == forked


@pytest.mark.parametrize(
    ("remapped", "pool", "warned"),
    [
        ("SIGQUIT", solo.TaskPool, True),
        ("", solo.TaskPool, False),
        ("SIGQUIT", prefork.TaskPool, False),
    ],
)
def test_a_worker_that_can_hand_nothing_back_says_so(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    remapped: str,
    pool: Any,
    warned: bool,
) -> None:
    """Celery's solo pool fails the job instead."""
    monkeypatch.setenv("REMAP_SIGTERM", remapped)

    lifecycle._warn_where_nothing_is_handed_back(object.__new__(pool))

    assert ("REMAP_SIGTERM" in caplog.text) == warned


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_process_that_its_pool_ends_is_not_lost(
    app: Flask, session: Session, run_id: int, is_busy: bool
) -> None:
    """It records its end itself, unless it has a run left."""
    child = heartbeat.current(app.extensions["taskadmin"].celery, app, "w1@host")
    process_id = child.process_id()
    if is_busy:
        transitions.claim(session, [run_id], token=uuid4(), process_id=process_id, worker="w1@host")

    signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)

    session.rollback()
    process = session.get_one(Process, process_id, populate_existing=True)
    assert process.ending == (None if is_busy else ProcessEnd.STOPPED)
    assert process.reason == (None if is_busy else "Its worker ended it.")
    assert not child.renew(), "it doesn't register anew"
