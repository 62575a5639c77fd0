"""The queues. RabbitMQ can't change a queue's arguments in place, so they are final."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from celery import Celery
from kombu import Connection, Exchange, Queue

from ...jobs import all_jobs

log = logging.getLogger("taskadmin.queue")

LAUNCH_QUEUE = "taskadmin.launch"
RUNS_QUEUE = "taskadmin.runs"
DEAD_QUEUE = "taskadmin.dead"
#: The default queue of an application that taskadmin creates, for the host's own Celery tasks.
DEFAULT_QUEUE = "taskadmin.default"

#: The Celery task for several runs in one message.
TOGETHER_TASK = "taskadmin.runs"

#: Maximum time limit of taskadmin's Celery tasks: RabbitMQ closes the channel then.
MAX_TIME_LIMIT_SECONDS = 1800.0

#: The Celery tasks that beat sends.
BEAT_TASKS = ("taskadmin.launch_tasks", "taskadmin.tick")

#: Quorum queues survive the loss of a broker node and count deliveries. The database counts
#: attempts; the broker's delivery limit is a safety net.
_QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 20}
#: AMQP reply codes of a missing permission and a missing queue.
_ACCESS_REFUSED, _NOT_FOUND = "403", "404"


def consumed_queues() -> list[Queue]:
    """Return the queues that workers consume: of launches and runs, with the jobs' own queues."""
    names = {RUNS_QUEUE, *(job.queue for job in all_jobs().values())}
    return [_launch_queue(), *map(_queue_of_runs, sorted(names - {LAUNCH_QUEUE}))]


def own_queues(celery: Celery) -> list[Queue]:
    """Return the queues that nobody but taskadmin declares, including the dead letter queue.

    With the default queue of an application that taskadmin creates; without those that the host has
    defined itself, and without its default queue if a job shares it.
    """
    defined, default = celery.amqp.queues, celery.conf.task_default_queue
    ours = [
        queue
        for queue in (*consumed_queues(), dead_queue())
        if isinstance(defined.get(queue.name, queue), _FinalQueue)
        and (queue.name != default or default.startswith("taskadmin."))
    ]
    return [*ours, defined[default]] if default == DEFAULT_QUEUE else ours


def queue_named(celery: Celery, name: str) -> Queue:
    """Return a queue as workers know it, since the host may have defined it differently.

    Other queues aren't looked up in Celery, which would create them with another definition, or
    refuse to, depending on ``task_create_missing_queues``.
    """
    queues = celery.amqp.queues
    if name in queues:
        return queues[name]
    return _launch_queue() if name == LAUNCH_QUEUE else _queue_of_runs(name)


class _FinalQueue(Queue):  # type: ignore[misc]  # kombu has no types
    """A queue that ignores ``task_queue_max_priority``, which quorum queues refuse."""

    @property
    def queue_arguments(self) -> dict[str, object]:
        return {**self._queue_arguments}

    @queue_arguments.setter
    def queue_arguments(self, arguments: dict[str, object] | None) -> None:
        self._queue_arguments = arguments or {}


def _launch_queue() -> Queue:
    # Not dead-lettered: the next tick makes up for one that expires, and RabbitMQ would keep each
    # of them.
    return _queue(LAUNCH_QUEUE, {})


def _queue_of_runs(name: str) -> Queue:
    return _queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD_QUEUE})


def _queue(name: str, arguments: dict[str, object]) -> Queue:
    return _FinalQueue(
        name,
        # Celery's delayed delivery over quorum queues only binds topic exchanges.
        Exchange(name, type="topic"),
        routing_key=name,
        queue_arguments=_QUORUM | arguments,
    )


def queues_of(celery: Celery, delivery_info: Mapping[str, object] | None) -> frozenset[str]:
    """Return the queues that a message may have come from, since it doesn't contain its queue.

    These are the queues bound to its exchange and routing key; if none is known here, those that
    this worker consumes, and the routing key, which usually is the queue's name.
    """
    where = delivery_info or {}
    exchange, key = where.get("exchange") or "", where.get("routing_key")
    known = celery.amqp.queues
    matching = {
        name
        for name, queue in known.items()
        if (exchange == "" and key == name)
        or (exchange and exchange == queue.exchange.name and key == queue.routing_key)
    }
    return frozenset(matching or {*known.consume_from, str(key)})


def dead_queue() -> Queue:
    """Return the queue for messages that were delivered too often; only people read it."""
    return _FinalQueue(
        DEAD_QUEUE, routing_key=DEAD_QUEUE, queue_arguments={"x-queue-type": "quorum"}
    )


def declare_missing(connection: Connection, queue: Queue) -> None:
    """Declare a queue, unless it exists already; checking that requires no rights."""
    try:
        with connection.channel() as channel:  # the broker closes it on an error
            queue.bind(channel).queue_declare(passive=True)
    except connection.channel_errors as error:
        if str(getattr(error, "reply_code", "")) != _NOT_FOUND:
            raise
        declare_queue(connection, queue)


def declare_queue(connection: Connection, queue: Queue) -> None:
    """Declare a queue, unless the broker user lacks the right: then another process has to.

    For example, a worker's user needs no rights on the launcher's queue.
    """
    try:
        with connection.channel() as channel:  # the broker closes the channel on errors
            queue.bind(channel).declare()
    except connection.channel_errors as error:
        if str(getattr(error, "reply_code", "")) != _ACCESS_REFUSED:
            raise
        log.debug("The broker user may not declare the queue %s", queue.name)
