"""Celery settings of the host that weaken guarantees.

Only settings that matter, and that can't be kept off taskadmin's own Celery tasks (``own_task``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from celery import Celery
from kombu import Queue

from ...jobs import all_jobs
from .own_task import OwnTask, is_accepted
from .queues import BEAT_TASKS, DEAD_QUEUE, consumed_queues

#: Pools that can't end a running function.
_WITHOUT_PROCESSES = ("solo", "threads", "gevent", "eventlet")


class Weakness(NamedTuple):
    """A setting with its problem and the fix."""

    #: Whether runs can't be executed correctly; otherwise guarantees are weaker.
    severe: bool
    found: str
    fix: str


class _SettingCheck(NamedTuple):
    """A check; its texts may contain the result of ``look`` as ``{0}``."""

    severe: bool
    look: Callable[[Celery], Any]
    found: str
    fix: str


def find_weaknesses(celery: Celery) -> list[Weakness]:
    """Return the weaknesses of the host's configuration; opens no connection."""
    weaknesses = []
    for rule in _SETTING_CHECKS:
        value = rule.look(celery)
        if value:
            texts = (text.format(value) for text in (rule.found, rule.fix))
            weaknesses.append(Weakness(rule.severe, *texts))
    return weaknesses


def _own_tasks(celery: Celery) -> list[OwnTask]:
    return [task for task in celery.tasks.values() if isinstance(task, OwnTask)]


def _refused_serializer(celery: Celery) -> str:
    """Return serializers of taskadmin's messages that workers refuse."""
    used = {task.serializer for task in _own_tasks(celery)}
    return ", ".join(sorted(name for name in used if not is_accepted(celery, name)))


def _queues_defined_otherwise(celery: Celery) -> str:
    defined = {queue.name: queue for queue in celery.amqp.queues.values()}
    return ", ".join(
        queue.name
        for queue in consumed_queues()
        if queue.name in defined and _declared(queue) != _declared(defined[queue.name])
    )


def _declared(queue: Queue) -> tuple[object, ...]:
    """Return the properties that RabbitMQ compares on declaration, and the routing key."""
    exchange = queue.exchange
    kinds = [(one.durable, one.auto_delete) for one in (queue, exchange)]
    arguments = (queue.queue_arguments or {}, exchange.arguments or {})
    return exchange.name, exchange.type, queue.routing_key, *kinds, *arguments


def _shared_exchanges(celery: Celery) -> str:
    """Return taskadmin's exchanges that a host's queue is bound to or redefines."""
    ours = {queue.exchange.name: queue for queue in consumed_queues()}
    return ", ".join(
        name
        for queue in celery.amqp.queues.values()
        if queue.name not in ours
        for one in (queue, *queue.bindings)
        if (name := one.exchange.name) in ours
        and (
            one.exchange.type != ours[name].exchange.type
            or one.routing_key == name
            or {*"*#"} & {*(one.routing_key or "")}
        )
    )


def _missing_entries(celery: Celery) -> str:
    entries = (celery.conf.beat_schedule or {}).values()
    return ", ".join(set(BEAT_TASKS) - {entry["task"] for entry in entries})


def _wrapped(celery: Celery) -> str:
    functions = {name for task in _own_tasks(celery) for name in task.host_functions()}
    return ", ".join(sorted(functions))


def _lacks_confirms(celery: Celery) -> bool:
    options = celery.conf.broker_transport_options or {}
    return _is_rabbitmq(celery.conf.broker_write_url) and not options.get("confirm_publish")


def _short_visibility(celery: Celery) -> str:
    """Return the visibility timeout, and jobs that Redis sends again while they are executed."""
    seconds = (celery.conf.broker_transport_options or {}).get("visibility_timeout")
    if seconds is None or not _is_redis(celery.conf.broker_write_url):
        return ""
    longer = [
        name
        for name, job in sorted(all_jobs().items())
        if not job.record_start and job.time_limit > seconds
    ]
    return f"{seconds:g} s, less than {', '.join(longer)} may take" if longer else ""


def _waits_forever(celery: Celery) -> bool:
    options = celery.conf.broker_transport_options or {}
    return _is_redis(celery.conf.broker_write_url) and not options.get("socket_timeout")


def _is_redis(url: str | None) -> bool:
    return (url or "").partition(":")[0] in ("redis", "rediss", "sentinel")


def _is_rabbitmq(url: str | None) -> bool:
    # Celery's default broker is amqp, too.
    return (url or "amqp").partition(":")[0] in ("amqp", "amqps", "pyamqp", "py-amqp")


_SETTING_CHECKS = (
    _SettingCheck(
        True,
        lambda celery: celery.conf.task_always_eager,
        "task_always_eager is on: runs aren't sent to workers, and stay queued.",
        "Set task_always_eager to False.",
    ),
    _SettingCheck(
        True,
        _refused_serializer,
        "Messages are sent as {0}, which workers refuse: it isn't in accept_content.",
        "Add '{0}' to accept_content.",
    ),
    _SettingCheck(
        True,
        _queues_defined_otherwise,
        "task_queues defines {0} differently from taskadmin: runs may be lost or sent elsewhere, and"
        " RabbitMQ refuses a definition that differs from its queue.",
        "Leave {0} out of task_queues: taskadmin defines it.",
    ),
    _SettingCheck(
        True,
        _shared_exchanges,
        "A queue of yours is bound to {0}, an exchange of taskadmin's: it gets copies of messages,"
        " or RabbitMQ refuses the exchange, whose type is topic.",
        "Give your queues another exchange, in task_queues or task_default_exchange.",
    ),
    _SettingCheck(
        True,
        lambda celery: DEAD_QUEUE in {queue.name for queue in celery.amqp.queues.values()},
        f"Workers without -Q consume {DEAD_QUEUE}: messages that are kept there for people are lost.",
        f"Leave {DEAD_QUEUE} out of task_queues, and set another task_default_queue.",
    ),
    _SettingCheck(
        True,
        _missing_entries,
        "beat_schedule lacks {0}, so nothing is launched: it was set after TaskQueue().init_app.",
        "Set beat_schedule before TaskQueue().init_app, which adds taskadmin's.",
    ),
    _SettingCheck(
        True,
        lambda celery: celery.conf.get("worker_pool_start_method", "fork") != "fork",
        "worker_pool_start_method isn't fork: the pool's processes get a copy of the Celery"
        " application without its Flask application, and execute no runs.",
        "Set worker_pool_start_method to fork.",
    ),
    _SettingCheck(
        False,
        # https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
        lambda celery: celery.conf.worker_prefetch_multiplier == 0,
        "worker_prefetch_multiplier is 0: one worker takes every waiting message, and"
        " RabbitMQ closes its channel if one of them isn't finished after 30 minutes.",
        "Set worker_prefetch_multiplier to 1.",
    ),
    _SettingCheck(
        False,
        lambda celery: celery.conf.task_protocol != 2 and celery.conf.task_protocol,
        "task_protocol is {0}: runs are sent and executed one by one, which takes longer.",
        "Set task_protocol to 2.",
    ),
    _SettingCheck(
        False,
        _wrapped,
        "task_annotations replace methods of taskadmin's Celery tasks ({0}), with unknown effects on"
        " runs.",
        'Name your own Celery tasks in task_annotations instead of "*".',
    ),
    _SettingCheck(
        False,
        lambda celery: celery.conf.worker_pool in _WITHOUT_PROCESSES and celery.conf.worker_pool,
        "worker_pool is {0}: a function that exceeds its job's time limits isn't ended.",
        "Set worker_pool to prefork.",
    ),
    _SettingCheck(
        False,
        lambda celery: celery.conf.worker_cancel_long_running_tasks_on_connection_loss,
        "worker_cancel_long_running_tasks_on_connection_loss is on: when a worker loses the broker,"
        " its running jobs are ended, and executed again.",
        "Set worker_cancel_long_running_tasks_on_connection_loss to False.",
    ),
    _SettingCheck(
        False,
        lambda celery: not celery.conf.worker_enable_remote_control,
        "worker_enable_remote_control is off: running runs can't be terminated.",
        "Set worker_enable_remote_control to True.",
    ),
    _SettingCheck(
        False,
        _lacks_confirms,
        # taskadmin's runs are always sent with confirms.
        "confirm_publish is off: RabbitMQ may lose messages of your own Celery tasks silently."
        " taskadmin's runs are sent with confirms anyway.",
        'Add "confirm_publish": True to broker_transport_options.',
    ),
    _SettingCheck(
        False,
        _waits_forever,
        "socket_timeout isn't set: after a connection to Redis has broken without being closed,"
        " beat sends nothing any more.",
        'Add "socket_timeout": 10 to broker_transport_options.',
    ),
    _SettingCheck(
        False,
        # A claimed run is dropped when its message comes again; others can't be told apart.
        _short_visibility,
        "visibility_timeout is {0}: Redis delivers their messages to another worker meanwhile, which"
        " executes them, too. One result is recorded.",
        "Raise visibility_timeout in broker_transport_options (Celery's default is 3600), or set"
        " record_start=True for these jobs.",
    ),
)
