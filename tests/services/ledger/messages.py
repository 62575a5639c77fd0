"""Messages in taskadmin's queues at the in-memory broker, which all tests of a process share."""

from __future__ import annotations

from typing import Any

from celery import Celery

from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE


def empty_queues(celery: Celery) -> Celery:
    """Declare both queues that workers read, and empty them."""
    with celery.connection_for_write() as connection:
        for name in (RUNS_QUEUE, LAUNCH_QUEUE):
            queue = celery.amqp.queues[name].bind(connection.default_channel)
            queue.declare()
            queue.purge()
    return celery


def messages_in(celery: Celery, name: str = RUNS_QUEUE) -> list[Any]:
    """Return a queue's messages in order, and empty it."""
    found = []
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[name].bind(connection.default_channel)
        while message := queue.get(no_ack=True):
            found.append(message)
    return found


def arguments_in(celery: Celery, name: str = RUNS_QUEUE) -> list[Any]:
    """Return the arguments of a queue's messages in order, and empty it."""
    return [message.payload[0] for message in messages_in(celery, name)]


def sent(celery: Celery) -> list[int]:
    """Return the queue's runs, each from its own message, in order, and empty it."""
    return [arguments[0] for arguments in arguments_in(celery)]
