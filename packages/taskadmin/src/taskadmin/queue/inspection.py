"""What health checks ask the broker: whether it takes messages, and who reads the queues."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery
from kombu import Connection

from ..errors import BrokerUnavailable
from .connection import broker_errors, quick_connection

#: No queue has this name: what is sent there is confirmed and thrown away.
_NOWHERE = "taskadmin.nowhere"


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """A broker that was reached."""

    #: Its address, without the password.
    address: str
    #: Whether it is one with confirms; only RabbitMQ is.
    has_confirms: bool
    elapsed: timedelta
    #: Why it didn't confirm a message; None if it did, or has no confirms.
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """Messages and consumers of a queue; None for both if it isn't there."""

    name: str
    #: Without those that workers hold.
    ready: int | None
    consumers: int | None


def try_broker(celery: Celery, *, timeout_seconds: float) -> BrokerAnswer:
    """Connect and send a message that nobody gets, to see that the broker confirms it.

    A broker in a memory or disk alarm can be connected to, and takes no messages.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    begun = time.monotonic()
    refusal = None
    try:
        try:
            channel = connection.default_channel
        except broker_errors(connection) as error:
            raise BrokerUnavailable(_words(error)) from error
        has_confirms = _is_rabbitmq(connection)
        if has_confirms:
            try:
                celery.amqp.Producer(channel, auto_declare=False).publish(
                    "", exchange="", routing_key=_NOWHERE
                )
            except broker_errors(connection) as error:
                refusal = _words(error)
        elapsed = timedelta(seconds=time.monotonic() - begun)
        return BrokerAnswer(connection.as_uri(), has_confirms, elapsed, refusal)
    finally:
        if refusal is not None:
            connection.collect()  # a farewell wouldn't be answered either
        connection.release()


def queue_states(
    celery: Celery, names: Iterable[str], *, timeout_seconds: float
) -> list[QueueState] | None:
    """The state of each queue; nothing is declared. None if the broker can't tell consumers.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    try:
        connection.default_channel  # noqa: B018 - connects
        if not _is_rabbitmq(connection):
            return None
        return [_state(connection, name) for name in names]
    except broker_errors(connection) as error:
        raise BrokerUnavailable(_words(error)) from error
    finally:
        connection.release()


def _state(connection: Connection, name: str) -> QueueState:
    channel = connection.channel()  # the broker closes it if the queue isn't there
    try:
        found = channel.queue_declare(name, passive=True)
    except connection.channel_errors as error:
        if str(getattr(error, "code", "")) == "404":
            return QueueState(name, None, None)
        raise
    channel.close()
    return QueueState(name, found.message_count, found.consumer_count)


def _is_rabbitmq(connection: Connection) -> bool:
    return bool(connection.transport.driver_type == "amqp")


def _words(error: BaseException) -> str:
    text: Any = getattr(error, "reply_text", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
