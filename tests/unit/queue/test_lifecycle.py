"""What Celery's signals cause in its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, signals
from celery.concurrency import prefork, solo
from flask import Flask

from taskadmin.queue import lifecycle
from taskadmin.state import get_state


class Beat:
    """A sender of signals whose application has nothing to do with taskadmin."""

    app = Celery("stranger", set_as_current=False)


@pytest.fixture
def pool_of(app: Flask) -> Callable[[], Any]:
    """The application's pool of database connections."""

    def pool_of() -> Any:
        db = get_state(app).db
        assert db is not None
        with app.app_context():
            return db.engine.pool

    return pool_of


def test_a_pools_child_forgets_its_parents_connections(pool_of: Callable[[], Any]) -> None:
    """Two processes on one socket hang each other."""
    before = pool_of()
    signals.worker_process_init.send(sender=None)
    assert pool_of() is not before


@pytest.mark.parametrize("forked", [True, False])
def test_a_beat_that_is_forked_from_its_worker_does_so_too(
    pool_of: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, forked: bool
) -> None:
    """At beat's first signal, which its heartbeat begins with; a beat of its own keeps them."""
    monkeypatch.setattr(lifecycle, "_PROGRAM", os.getpid() + forked)
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
    """Celery's solo pool lets the job fail instead."""
    monkeypatch.setenv("REMAP_SIGTERM", remapped)

    lifecycle._warn_where_nothing_is_handed_back(object.__new__(pool))

    assert ("REMAP_SIGTERM" in caplog.text) == warned
