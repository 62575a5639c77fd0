"""Inspect the broker for health checks: confirms, alarms, queues and consumers."""

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
from .publishing.connection import broker_errors, is_redis, quick_connection

#: A name that no queue has: messages to it are confirmed and dropped.
_NOWHERE = "taskadmin.nowhere"


@dataclass(frozen=True, slots=True)
class RedisAnswer:
    """Redis's settings that decide which messages it loses."""

    #: Its maxmemory-policy if it has a memory limit, such as "noeviction".
    eviction: str | None
    #: Whether it writes each change to a file (appendonly).
    has_log: bool


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """The result of connecting to a broker."""

    #: Its address, without the password.
    address: str
    #: Whether it supports publisher confirms; only RabbitMQ does.
    has_confirms: bool
    elapsed: timedelta
    #: Why it didn't confirm a message, or why Redis refuses them; None if it accepts messages.
    refusal: str | None = None
    #: RabbitMQ's alarm: low on memory or on disk.
    alarm: str | None = None
    #: None for other brokers, and if its user may not read them.
    redis: RedisAnswer | None = None
    is_redis: bool = False


def try_broker(celery: Celery, *, timeout_seconds: float) -> BrokerAnswer:
    """Connect, and test that the broker accepts messages without leaving one there.

    A broker in a memory or disk alarm accepts connections, but no messages.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    alarms: list[str] = []
    connection = quick_connection(celery, timeout_seconds=timeout_seconds, on_alarm=alarms.append)
    begun = time.monotonic()
    refusal = redis = None
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
        if on_redis := is_redis(connection):
            redis, refusal = _ask_redis(channel.client, broker_errors(connection))
        elapsed = timedelta(seconds=time.monotonic() - begun)
        alarm = alarms[0] if alarms else None
        return BrokerAnswer(
            connection.as_uri(), has_confirms, elapsed, refusal, alarm, redis, on_redis
        )
    finally:
        if refusal is not None:
            connection.collect()  # the broker wouldn't respond to closing either
        connection.release()


def _ask_redis(
    client: Any, errors: tuple[type[BaseException], ...]
) -> tuple[RedisAnswer | None, str | None]:
    """Return Redis's settings, and why it refuses messages."""
    refusal = None
    try:
        # Adds to a list that doesn't exist, which changes nothing: a full Redis and a replica
        # refuse it like any message.
        client.lpushx(_NOWHERE, "")
    except errors as error:
        refusal = _words(error)
    try:
        facts = client.info("all")
    except errors:
        return None, refusal
    return (
        RedisAnswer(
            facts["maxmemory_policy"] if facts["maxmemory"] else None, bool(facts["aof_enabled"])
        ),
        refusal,
    )


def queue_states(
    celery: Celery,
    names: Iterable[str],
    *,
    timeout_seconds: float,
    altogether_seconds: float = math.inf,
) -> list[QueueState] | None:
    """Return the state of each queue without declaring any; None if the broker has no consumers.

    Args:
        timeout_seconds: Timeout of each reply.
        altogether_seconds: Timeout of all replies together.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
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
            connection.collect()  # the broker wouldn't respond to closing either
        connection.release()


def _state(connection: Connection, name: str) -> QueueState:
    channel = connection.channel()  # the broker closes it if the queue doesn't exist
    try:
        declared = channel.queue_declare(name, passive=True)
    except connection.channel_errors as error:
        if str(getattr(error, "code", "")) == "404":
            return QueueState(name, None, None)
        raise
    channel.close()
    return QueueState(name, declared.message_count, declared.consumer_count)


def _is_rabbitmq(connection: Connection) -> bool:
    return bool(connection.transport.driver_type == "amqp")


def _words(error: BaseException) -> str:
    text: Any = getattr(error, "reply_text", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
