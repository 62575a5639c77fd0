"""Create a Celery application with safe settings, or add beat entries to the host's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from celery import Celery
from flask import Flask
from kombu import Queue

from ...errors import ConfigurationError
from ...settings import Settings
from .beat_schedule import SteadySchedule
from .queues import DEFAULT_QUEUE, LAUNCH_QUEUE, consumed_queues, dead_queue

#: Settings of applications that taskadmin creates; ``app.config["CELERY"]`` overrides them.
DEFAULTS: dict[str, Any] = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "enable_utc": True,
    "timezone": "UTC",
    # A message is acknowledged when its run is recorded, and redelivered if its worker dies.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    # For the host's own Celery tasks: a name that no other application on the broker uses, and an
    # exchange type that Celery's delayed delivery over quorum queues can bind.
    "task_default_queue": DEFAULT_QUEUE,
    "task_default_queue_type": "quorum",
    "task_default_exchange": DEFAULT_QUEUE,
    "task_default_exchange_type": "topic",
    "task_default_routing_key": DEFAULT_QUEUE,
    "worker_detect_quorum_queues": True,
    # Jobs keep running without the broker: their outcome is recorded in the database, and the
    # redelivered message finds the run claimed or finished.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # With REMAP_SIGTERM=SIGQUIT in the environment, a stopping worker waits this long for its jobs
    # (in seconds), then requeues them.
    "worker_soft_shutdown_timeout": 20.0,
    # Wait for the broker without limit; Celery's 100 retries would end the worker.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # In seconds. RabbitMQ closes a connection after one and a half silent intervals, and a worker
    # is silent while it starts: over a slow link, with 10 s, it never would.
    "broker_heartbeat": 30,
    # Without confirms, messages that a dying broker accepted are lost. Without timeouts (in
    # seconds), publishing into a half-open link or to a broker in a memory alarm hangs forever,
    # such as beat's ticks and a worker's events. The latter two are Redis's.
    "broker_transport_options": {
        "confirm_publish": True,
        "read_timeout": 10,
        "write_timeout": 10,
        "socket_timeout": 10,
        "socket_connect_timeout": 10,
    },
    # Replies are only for taskadmin.ping; results of runs are in the database.
    "task_ignore_result": True,
    "result_expires": 60,
    "result_persistent": False,
    # Launches continue at once if the machine's clock is set back.
    "beat_scheduler": "taskadmin.queue.beat_scheduler:SteadyScheduler",
    # A handmade message must not end the worker.
    "worker_consumer": "taskadmin.queue.consumer:CarefulConsumer",
    # The host configures logging.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


def make_celery(app: Flask) -> Celery:
    """Create a Celery application for *app*: its ``CELERY`` dictionary over ``DEFAULTS``.

    Raises:
        ConfigurationError: If ``CELERY`` isn't a dictionary.
    """
    own: Mapping[str, Any] = app.config.get("CELERY", {})
    if not isinstance(own, Mapping):  # its value isn't shown: an address may have a password
        raise ConfigurationError(
            f"CELERY is of type {type(own).__name__}; expected a dictionary of Celery's settings,"
            ' such as CELERY={"broker_url": "amqp://…"}.'
        )
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


def add_schedule(celery: Celery, settings: Settings) -> None:
    """Add taskadmin's beat entries to *celery*, without overriding the host's."""

    def add(conf: Any) -> None:
        conf.beat_schedule = {**beat_entries(settings), **(conf.beat_schedule or {})}

    _once_configured(celery, add)


def add_queues(celery: Celery) -> None:
    """Add taskadmin's queues to ``task_queues``: all workers of *celery* consume them."""
    _once_configured(celery, lambda conf: _define(celery, consumed_queues()))


def add_default_queue(celery: Celery) -> None:
    """Define the host's default queue if it is one of taskadmin's: the host sets only its name."""

    def add(conf: Any) -> None:
        ours = (*consumed_queues(), dead_queue())
        _define(celery, [queue for queue in ours if queue.name == conf.task_default_queue])

    _once_configured(celery, add)


def prepare_worker(celery: Celery, selected: Collection[str]) -> None:
    """Define taskadmin's queues in a worker whose ``-Q`` selects one of them.

    Any other worker of the host stays as it is. A quorum queue that is merely defined changes a
    whole worker: Celery gives up raising its prefetch count, and tasks with a countdown then keep
    others waiting.
    """
    defined = celery.amqp.queues
    missing = [queue for queue in consumed_queues() if queue.name not in defined]
    if not {queue.name for queue in missing} & {*selected}:
        return
    for queue in missing:
        defined.add(queue)
    # Otherwise workers request a global prefetch limit, which RabbitMQ refuses for quorum queues:
    # https://www.rabbitmq.com/docs/quorum-queues#global-qos
    celery.conf.worker_detect_quorum_queues = True


def _once_configured(celery: Celery, change: Callable[[Any], None]) -> None:
    """Change the configuration once it is loaded, instead of loading it too early."""
    if celery.configured:
        change(celery.conf)
    else:
        celery.on_after_configure.connect(lambda sender, **_: change(sender.conf), weak=False)


def beat_entries(settings: Settings) -> dict[str, dict[str, object]]:
    """Return the beat schedule."""
    tick = SteadySchedule(timedelta(seconds=settings.tick_seconds))
    options = {
        "queue": LAUNCH_QUEUE,
        # The next tick does the same work, so a backlog of ticks is useless. The broker expires
        # them (in seconds): with Celery's "expires", a launcher whose clock is ahead of beat's
        # would drop every tick.
        "expiration": max(settings.tick_seconds, 1.0),
        "ignore_result": True,
    }
    return {
        "taskadmin.launch_tasks": {
            "task": "taskadmin.launch_tasks",
            "schedule": SteadySchedule(timedelta(seconds=settings.launch_interval_seconds)),
            "options": options,
        },
        "taskadmin.tick": {"task": "taskadmin.tick", "schedule": tick, "options": options},
    }


def _define(celery: Celery, queues: Sequence[Queue]) -> None:
    """Add *queues* to ``task_queues``, which otherwise lacks the default queue."""
    if not queues:
        return
    conf = celery.conf
    defined = {queue.name: queue for queue in celery.amqp.Queues(conf.task_queues).values()}
    if not conf.task_queues and conf.task_default_queue in {queue.name for queue in queues}:
        del defined[conf.task_default_queue]
    conf.task_queues = [*defined.values(), *(q for q in queues if q.name not in defined)]
