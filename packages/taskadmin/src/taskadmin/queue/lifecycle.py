"""When Celery's processes begin and end: heartbeats, inherited connections, queues."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import time
from typing import Any

from celery import Celery
from celery.concurrency import solo
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_after_setup,
    worker_process_init,
    worker_ready,
    worker_shutdown,
)

from ..models import ProcessKind
from ..state import get_state
from ..store.processes import Identity
from . import heartbeat, limits
from .connection import broker_errors, quick_connection
from .context import bound_apps, flask_app_of, is_bound
from .names import BEAT_TASKS, LAUNCH_QUEUE, RUNS_QUEUE, declare_queues

log = logging.getLogger("taskadmin.queue")

#: The process that imported this; beat of ``celery worker -B`` is forked from it.
_PROGRAM = os.getpid()


@worker_process_init.connect(weak=False)
def _drop_inherited_connections(**_: Any) -> None:
    """Forget the parent's database connections: two processes on one socket hang each other."""
    for app in bound_apps():
        db = get_state(app).db
        if db is not None:
            with app.app_context():
                for engine in db.engines.values():
                    engine.dispose(close=False)


@worker_process_init.connect(weak=False)
def _leave_modules_alone(**_: Any) -> None:
    """Let Python look for garbage among what runs leave behind, not in all that was imported.

    A tenth of a short run's time went into that.
    """
    if bound_apps():
        gc.freeze()


@beat_init.connect(weak=False)
def _drop_in_embedded_beat(**_: Any) -> None:
    """The same for ``celery worker -B``, before beat's heartbeat begins in the forked process.

    ``beat_embedded_init`` is sent after ``beat_init``, when the heartbeat already uses them.
    """
    if os.getpid() != _PROGRAM:
        _drop_inherited_connections()


@worker_process_init.connect(weak=False)
def _take_place(**_: Any) -> None:
    """Let the worker know when this process of its pool executes a job's function."""
    limits.take_place()


@celeryd_after_setup.connect(weak=False)
def _declare_queues(instance: Any, **_: Any) -> None:
    """Make all queues before a worker begins, not only those it reads.

    Celery binds every queue's exchange for its delayed delivery when a worker starts, and
    complains of those that aren't there.
    """
    celery = instance.app
    if not is_bound(celery):
        return
    connection = quick_connection(celery, timeout_seconds=5)
    try:
        declare_queues(connection.default_channel)
        for queue in celery.amqp.queues.values():
            queue.bind(connection.default_channel).declare()
    except broker_errors(connection) as error:
        # The worker waits for the broker by itself, and declares what it reads.
        log.info("Not every queue is declared yet: %s", error)
    finally:
        connection.release()


@worker_ready.connect(weak=False)
def _worker_begins(sender: Any, **_: Any) -> None:
    celery = sender.app
    if not is_bound(celery):
        return
    limits.count_functions_only(sender)
    queues = sorted(celery.amqp.queues.consume_from)
    only_launches = LAUNCH_QUEUE in queues and RUNS_QUEUE not in queues
    kind = ProcessKind.LAUNCHER if only_launches else ProcessKind.WORKER
    who = Identity(
        kind,
        sender.hostname,
        heartbeat.HOST,
        os.getpid(),
        queues=",".join(queues),
        boot=heartbeat.BOOT,
    )
    heartbeat.begin(celery, heartbeat.Heartbeat(flask_app_of(celery), who))
    if not only_launches:
        _warn_where_nothing_is_handed_back(sender.pool)


def _warn_where_nothing_is_handed_back(pool: Any) -> None:
    # Celery's solo pool executes a job in the thread that takes the signal: the job stands still
    # while it is given time to finish, and gets an exception that isn't its own then.
    if isinstance(pool, solo.TaskPool) and os.environ.get("REMAP_SIGTERM") == "SIGQUIT":
        log.warning(
            "REMAP_SIGTERM=SIGQUIT does harm with -P solo: a run that is executed when this worker"
            " is told to end fails with NotImplementedError. Without it the worker finishes the"
            " run before it ends."
        )


@worker_shutdown.connect(weak=False)
def _worker_ends(sender: Any, **_: Any) -> None:
    """Hand back what the pool was at when it was stopped: its children are gone by now."""
    heartbeat.end(sender.app, "It was told to stop.")


@beat_init.connect(weak=False)
def _beat_begins(sender: Any, **_: Any) -> None:
    """Beat lives as long as it tries to send its ticks, whether or not the broker takes them."""
    celery = sender.app
    if not is_bound(celery):
        return
    app = flask_app_of(celery)
    patience = max(3 * get_state(app).settings.tick_seconds, 15.0)
    last = [time.monotonic()]

    def ticks(**_: Any) -> None:
        last[0] = time.monotonic()

    # Of nothing else: a launcher in this process sends runs faster while nobody looks at each.
    for task in BEAT_TASKS:
        uid = f"taskadmin-beat-{id(celery)}"
        before_task_publish.connect(ticks, sender=task, weak=False, dispatch_uid=uid)
    who = Identity(
        ProcessKind.BEAT,
        f"beat@{heartbeat.HOST}",
        heartbeat.HOST,
        os.getpid(),
        boot=heartbeat.BOOT,
    )
    heartbeat.begin(
        celery,
        heartbeat.Heartbeat(app, who, alive=lambda: time.monotonic() - last[0] < patience),
        of_beat=True,
    )
    atexit.register(beat_ends, celery)


def beat_ends(celery: Celery) -> None:
    """Note that this process's beat stops by itself."""
    heartbeat.end(celery, "It was told to stop.", of_beat=True)
