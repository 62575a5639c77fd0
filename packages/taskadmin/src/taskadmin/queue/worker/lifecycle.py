"""Start and end of Celery's processes: heartbeats, inherited connections, queues."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from celery import Celery
from celery.concurrency import solo
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_after_setup,
    celeryd_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from ...models import ProcessKind
from ...state import get_state
from ...store.upkeep.processes import ProcessIdentity
from ..celery_app.configuration import prepare_worker
from ..celery_app.context import bound_apps, flask_app_of, is_bound
from ..celery_app.queues import (
    BEAT_TASKS,
    LAUNCH_QUEUE,
    RUNS_QUEUE,
    consumed_queues,
    dead_queue,
    declare_missing,
)
from ..publishing.connection import broker_errors, quick_connection
from . import heartbeat, limits
from .held_messages import HeldMessages
from .overseer import overseer
from .request import LedgerRequest

log = logging.getLogger("taskadmin.queue")

#: The process that imported this module; beat of ``celery worker -B`` is forked from it.
_PROGRAM_PID = os.getpid()


#: Celery applications whose worker in this process consumes taskadmin's queues, or the process that
#: it was forked from. Any other worker is the host's alone.
_consuming: WeakSet[Celery] = WeakSet()


@celeryd_init.connect(weak=False)
def _add_queues(instance: Any, options: Mapping[str, Any], **_: Any) -> None:
    if is_bound(instance.app):
        selected = options.get("queues") or ()
        names = selected.split(",") if isinstance(selected, str) else selected
        prepare_worker(instance.app, names)


@worker_process_init.connect(weak=False)
def _begin_child(**_: object) -> None:
    """Prepare a process of a pool: its connections, and its jobs' time limits."""
    if _consuming:
        _drop_inherited_connections()
        limits.keep_limits()


def _drop_inherited_connections() -> None:
    """Drop the parent's database connections: two processes on one socket block each other."""
    for app in bound_apps():
        db = get_state(app).db
        if db is not None:
            with app.app_context():
                for engine in db.engines.values():
                    engine.dispose(close=False)


@beat_init.connect(weak=False)
def _drop_in_embedded_beat(**_: object) -> None:
    """Drop them in ``celery worker -B``, before beat's heartbeat starts in the forked process.

    ``beat_embedded_init`` is sent after ``beat_init``, when the heartbeat already uses them.
    """
    if os.getpid() != _PROGRAM_PID:
        _drop_inherited_connections()


@celeryd_after_setup.connect(weak=False)
def _declare_queues(instance: Any, **_: Any) -> None:
    """Declare all queues before a worker starts, not only those that it consumes.

    On start, Celery binds every queue's exchange for delayed delivery, and complains about missing
    ones.
    """
    celery = instance.app
    ours = consumed_queues()
    if not is_bound(celery) or not {queue.name for queue in ours} & {
        *celery.amqp.queues.consume_from
    }:
        return
    _consuming.add(celery)
    connection = quick_connection(celery, timeout_seconds=5)
    try:
        for queue in (*ours, dead_queue(), *celery.amqp.queues.values()):
            declare_missing(connection, queue)
    except broker_errors(connection) as error:
        # The worker waits for the broker, and declares the queues that it consumes.
        log.info("Can't declare all queues yet: %s", error)
    finally:
        connection.release()


@worker_ready.connect(weak=False)
def _worker_begins(sender: Any, **_: Any) -> None:
    celery = sender.app
    if celery not in _consuming:
        return
    _oversee(sender.pool)
    queues = sorted(celery.amqp.queues.consume_from)
    only_launches = LAUNCH_QUEUE in queues and RUNS_QUEUE not in queues
    kind = ProcessKind.LAUNCHER if only_launches else ProcessKind.WORKER
    who = ProcessIdentity(
        kind,
        sender.hostname,
        heartbeat.HOST_NAME,
        os.getpid(),
        queues=",".join(queues),
        boot=heartbeat.BOOT_ID,
        processes=sender.pool.num_processes,
    )
    held = HeldMessages(sender.pool)
    heartbeat.begin(celery, heartbeat.Heartbeat(flask_app_of(celery), who, trouble=held.look))
    if not only_launches:
        _warn_where_nothing_is_handed_back(sender.pool)


def _oversee(pool: object) -> None:
    # Not imported here: only machines with processes have it, and other pools don't need it.
    prefork = sys.modules.get("celery.concurrency.prefork")
    if prefork is not None and isinstance(pool, prefork.TaskPool):
        LedgerRequest.pool_has_processes = True
        LedgerRequest.pool_has_limits = any(pool.info["timeouts"])
        overseer.start()


def _warn_where_nothing_is_handed_back(pool: object) -> None:
    # Celery's solo pool executes a job in the thread that gets the signal: the job stands still
    # during the soft shutdown, and then gets an exception that isn't its own.
    if isinstance(pool, solo.TaskPool) and os.environ.get("REMAP_SIGTERM") == "SIGQUIT":
        log.warning(
            "REMAP_SIGTERM=SIGQUIT is harmful with -P solo: when this worker is told to stop, its run"
            " fails with NotImplementedError. Without it, the worker finishes the run before it"
            " stops."
        )


@worker_process_shutdown.connect(weak=False)
def _child_ends(**_: object) -> None:
    """Mark a process as gone that its pool replaces or no longer needs.

    After a number of tasks, an amount of memory, or when ``--autoscale`` shrinks the pool.
    """
    heartbeat.end_child("Its worker ended it.")


@worker_shutdown.connect(weak=False)
def _worker_ends(sender: Any, **_: Any) -> None:
    """Mark the worker and its pool as gone, which gives their runs back: its children are gone."""
    heartbeat.end(sender.app, "It was told to stop.")


@beat_init.connect(weak=False)
def _beat_begins(sender: Any, **_: Any) -> None:
    """Beat is alive as long as it tries to send ticks, whether or not the broker accepts them."""
    celery = sender.app
    if not is_bound(celery):
        return
    app = flask_app_of(celery)
    max_silence = max(3 * get_state(app).settings.tick_seconds, 15.0)
    last = [time.monotonic()]

    def ticks(**_: object) -> None:
        last[0] = time.monotonic()

    # Only of ticks: a launcher in this process publishes runs faster without signal handlers.
    for task in BEAT_TASKS:
        uid = f"taskadmin-beat-{id(celery)}"
        before_task_publish.connect(ticks, sender=task, weak=False, dispatch_uid=uid)
    who = ProcessIdentity(
        ProcessKind.BEAT,
        f"beat@{heartbeat.HOST_NAME}",
        heartbeat.HOST_NAME,
        os.getpid(),
        boot=heartbeat.BOOT_ID,
    )
    heartbeat.begin(
        celery,
        heartbeat.Heartbeat(app, who, alive=lambda: time.monotonic() - last[0] < max_silence),
        of_beat=True,
    )
    atexit.register(beat_ends, celery)


def beat_ends(celery: Celery) -> None:
    """Mark this process's beat as gone."""
    heartbeat.end(celery, "It was told to stop.", of_beat=True)
