"""What health checks ask the broker: whether it takes messages, and who reads the queues."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery
from kombu import Connection

from ..errors import BrokerUnavailable
from ..state import QueueState
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
    celery: Celery,
    names: Iterable[str],
    *,
    timeout_seconds: float,
    altogether_seconds: float = math.inf,
) -> list[QueueState] | None:
    """The state of each queue; nothing is declared. None if the broker can't tell consumers.

    Args:
        timeout_seconds: Longest wait for one answer.
        altogether_seconds: Longest wait for all of them.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    connection = quick_connection(
        celery,
        timeout_seconds=timeout_seconds,
        deadline=time.monotonic() + altogether_seconds,
    )
    answered = False
    try:
        connection.default_channel  # noqa: B018 - connects
        is_rabbitmq = _is_rabbitmq(connection)
        states = [_state(connection, name) for name in names] if is_rabbitmq else None
        answered = True
        return states
    except broker_errors(connection) as error:
        raise BrokerUnavailable(_words(error)) from error
    finally:
        if not answered:
            connection.collect()  # a farewell wouldn't be answered either
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
