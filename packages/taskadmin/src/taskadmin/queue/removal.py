"""Find and delete what taskadmin has declared at the broker, to uninstall it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import Celery
from kombu import Connection, Queue
from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE,
    MAX_NUMBER_OF_BITS_TO_USE,
    level_name,
)

from ..errors import BrokerUnavailable
from .celery_app.queues import DEAD_QUEUE, own_queues
from .publishing.connection import broker_errors, is_rabbitmq, quick_connection

#: Each is a queue and an exchange.
_DELAYED_NAMES = [level_name(level) for level in range(MAX_NUMBER_OF_BITS_TO_USE)]
DELAYED_DELIVERY = f"{_DELAYED_NAMES[0]} to {_DELAYED_NAMES[-1]}"


class FoundQueue(NamedTuple):
    """A queue at the broker."""

    name: str
    messages: int
    consumers: int


class BrokerObjects(NamedTuple):
    """What the broker has of taskadmin's, and of Celery's delayed delivery."""

    queues: Sequence[FoundQueue]
    exchanges: Sequence[str]
    #: Shared by all quorum queues of Celery on the virtual host.
    delayed: Sequence[FoundQueue]


class Kept(NamedTuple):
    """A queue or exchange that wasn't deleted."""

    name: str
    why: str


def find_objects(celery: Celery, *, timeout_seconds: float) -> BrokerObjects:
    """Return the queues and exchanges that exist.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    names = [queue.name for queue in own_queues(celery)]
    with _connected(celery, timeout_seconds) as connection:
        queues = _existing_queues(connection, names)
        if not is_rabbitmq(connection):
            return BrokerObjects(queues, [], [])
        exchanges = [name for name in names if _has_exchange(connection, name)]
        return BrokerObjects(queues, exchanges, _existing_queues(connection, _DELAYED_NAMES))


def delete_objects(celery: Celery, found: BrokerObjects, *, timeout_seconds: float) -> list[Kept]:
    """Delete what was found, and return what is kept because others use it.

    Queues that still have consumers are kept: taskadmin's own processes have stopped, so these
    belong to another application on the same virtual host.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    with _connected(celery, timeout_seconds) as connection:
        if not is_rabbitmq(connection):
            _delete_elsewhere(connection, own_queues(celery))
            return []
        used = {queue.name for queue in found.queues if queue.consumers}
        kept = [Kept(name, "it has consumers that aren't in this database") for name in used]
        for queue in found.queues:
            if queue.name not in used:
                kept += _ask(connection, "queue_delete", queue.name).kept
        for name in found.exchanges:
            if name not in used:
                kept += _ask(connection, "exchange_delete", name, if_unused=True).kept
        return kept + (_delete_delayed(connection, found.delayed) if found.delayed else [])


def _delete_elsewhere(connection: Connection, queues: Sequence[Queue]) -> None:
    """Delete queues of Redis, which are lists, and of kombu's other transports.

    These delete only queues that were declared on the connection. They have no dead letter queue.
    """
    for queue in queues:
        if queue.name != DEAD_QUEUE:
            bound = queue.bind(connection.default_channel)
            bound.declare()
            bound.delete()


def _delete_delayed(connection: Connection, queues: Sequence[FoundQueue]) -> list[Kept]:
    """Delete Celery's delayed delivery, unless a queue uses it or a message is waiting in it.

    Celery's workers bind the exchange of each of their queues to the delivery exchange, so RabbitMQ
    deletes that one only if none of these is left.
    """
    waiting = sum(queue.messages for queue in queues)
    if waiting:
        return [Kept(DELAYED_DELIVERY, f"messages are waiting there ({waiting})")]
    if _ask(connection, "exchange_delete", CELERY_DELAYED_DELIVERY_EXCHANGE, if_unused=True).kept:
        return [Kept(DELAYED_DELIVERY, "other queues of Celery use them")]
    kept: list[Kept] = []
    for name in _DELAYED_NAMES:
        kept += _ask(connection, "queue_delete", name).kept
        kept += _ask(connection, "exchange_delete", name).kept
    return kept


def _existing_queues(connection: Connection, names: Sequence[str]) -> list[FoundQueue]:
    answers = [_ask(connection, "queue_declare", name, passive=True).answer for name in names]
    return [
        FoundQueue(one.queue, one.message_count, one.consumer_count)
        for one in answers
        if one is not None
    ]


def _has_exchange(connection: Connection, name: str) -> bool:
    return not _ask(connection, "exchange_declare", name, "topic", passive=True).kept


class _Reply(NamedTuple):
    answer: Any
    #: What the broker refused.
    kept: Sequence[Kept] = ()


def _ask(connection: Connection, method: str, name: str, *arguments: Any, **more: Any) -> _Reply:
    """Call a method on a channel of its own, which the broker closes if it refuses."""
    channel = connection.channel()
    try:
        answer = getattr(channel, method)(name, *arguments, **more)
    except connection.channel_errors as error:
        return _Reply(None, [Kept(name, str(getattr(error, "reply_text", "") or error))])
    channel.close()
    return _Reply(answer)


@contextmanager
def _connected(celery: Celery, timeout_seconds: float) -> Iterator[Connection]:
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    try:
        connection.default_channel  # noqa: B018 - connects
        yield connection
    except broker_errors(connection) as error:
        connection.collect()  # the broker wouldn't respond to closing either
        raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error
    finally:
        connection.release()
