"""The Celery application: made here with safe settings, or the host's with ours merged in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery import Celery
from flask import Flask
from kombu import Queue

from ..settings import Settings
from .beat_schedule import Steadily
from .names import LAUNCH_QUEUE, consumed_queues

#: Settings of an application that taskadmin makes; ``app.config["CELERY"]`` comes over them.
DEFAULTS: dict[str, Any] = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "enable_utc": True,
    "timezone": "UTC",
    # A message is acknowledged when its run is recorded, and comes back if its worker dies.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    # For Celery tasks of the host's own. A name that no other application on the broker has,
    # and an exchange type that Celery's delayed delivery over quorum queues can bind.
    "task_default_queue": "taskadmin.default",
    "task_default_queue_type": "quorum",
    "task_default_exchange": "taskadmin.default",
    "task_default_exchange_type": "topic",
    "task_default_routing_key": "taskadmin.default",
    "worker_detect_quorum_queues": True,
    # A job goes on without the broker: what it returns is recorded in the database, and its
    # message, delivered again, finds the run taken or finished.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # With REMAP_SIGTERM=SIGQUIT in the environment, a worker that is told to end gives its jobs
    # this long (in seconds), then hands them back.
    "worker_soft_shutdown_timeout": 20.0,
    # Any outage is waited out; Celery's 100 tries end the worker.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # In seconds. RabbitMQ closes a connection that was silent for one and a half of them, and
    # a worker is silent while it starts: over a slow link 10 s are too few, and it never does.
    "broker_heartbeat": 30,
    # Without confirms, messages that a dying broker took are lost. Without an end to waiting
    # for them (in seconds), whoever sends into a half-open link, or to a broker in a memory
    # alarm, hangs for ever: beat with its ticks, a worker with its events.
    "broker_transport_options": {"confirm_publish": True, "read_timeout": 10, "write_timeout": 10},
    # Replies are for who waits (taskadmin.ping); results of runs are in the database.
    "task_ignore_result": True,
    "result_expires": 60,
    "result_persistent": False,
    # The host configures logging.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


#: What is replaced; a host that has a consumer of its own keeps it.
CELERYS_CONSUMER = "celery.worker.consumer:Consumer"


def make_celery(app: Flask) -> Celery:
    """A Celery application for *app*, configured by its ``CELERY`` dictionary over ``DEFAULTS``."""
    own: Mapping[str, Any] = app.config.get("CELERY", {})
    celery = Celery(app.import_name, set_as_current=False)
    celery.config_from_object(
        {
            **DEFAULTS,
            **own,
            "broker_transport_options": {
                **DEFAULTS["broker_transport_options"],
                **own.get("broker_transport_options", {}),
            },
        }
    )
    return celery


def add_queues_and_schedule(celery: Celery, settings: Settings) -> None:
    """Add taskadmin's queues and beat entries to *celery*; what the host set stays.

    Waits until the host's configuration is loaded, so that it isn't loaded too early.
    """

    def merge(sender: Celery, **_: Any) -> None:
        conf = sender.conf
        present = _host_queues(sender)
        names = {queue.name for queue in present}
        conf.task_queues = [*present, *(q for q in consumed_queues() if q.name not in names)]
        if conf.worker_consumer == CELERYS_CONSUMER:
            conf.worker_consumer = "taskadmin.queue.consumer:CarefulConsumer"
        conf.beat_schedule = {**beat_entries(settings), **(conf.beat_schedule or {})}

    if celery.configured:
        merge(celery)
    else:
        celery.on_after_configure.connect(merge, weak=False)


def beat_entries(settings: Settings) -> dict[str, dict[str, Any]]:
    """What beat sends, and when."""
    tick = Steadily(timedelta(seconds=settings.tick_seconds))
    options = {
        "queue": LAUNCH_QUEUE,
        # The next tick does the same work; a backlog of ticks would only repeat it. The broker
        # measures the time (in seconds): Celery's "expires" would let a launcher whose clock is
        # ahead of beat's drop every tick.
        "expiration": max(settings.tick_seconds, 1.0),
        "ignore_result": True,
    }
    return {
        "taskadmin.launch_tasks": {
            "task": "taskadmin.launch_tasks",
            "schedule": Steadily(timedelta(seconds=settings.launch_interval_seconds)),
            "options": options,
        },
        "taskadmin.tick": {"task": "taskadmin.tick", "schedule": tick, "options": options},
    }


def _host_queues(celery: Celery) -> list[Queue]:
    """The queues of the host; its default one is spelt out, since ours would replace it."""
    conf = celery.conf
    if conf.task_queues:
        queues = conf.task_queues
        if isinstance(queues, Mapping):
            queues = [Queue.from_dict(name, **options) for name, options in queues.items()]
        return list(queues)
    quorum = getattr(conf, "task_default_queue_type", None) == "quorum"
    return [
        Queue(
            conf.task_default_queue,
            exchange=celery.amqp.default_exchange,
            routing_key=conf.task_default_routing_key or conf.task_default_queue,
            queue_arguments={"x-queue-type": "quorum"} if quorum else None,
        )
    ]
