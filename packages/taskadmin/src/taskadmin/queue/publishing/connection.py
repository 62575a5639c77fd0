"""Broker connections with short timeouts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from amqp import spec  # type: ignore[import-untyped]
from amqp.method_framing import frame_handler  # type: ignore[import-untyped]
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp

#: RabbitMQ's replies from the socket to the first confirm: start, tune, open, channel, confirms.
_REPLIES_TO_CONNECT = 6


def quick_connection(
    celery: Celery,
    *,
    timeout_seconds: float,
    deadline: float = math.inf,
    on_alarm: Callable[[str], None] | None = None,
    confirms: bool = True,
) -> Connection:
    """Return a connection for publishing that isn't opened yet.

    Args:
        timeout_seconds: Timeout of connecting and of each reply. A broker in a memory alarm never
            replies; without a timeout, the caller would hang.
        deadline: When to give up altogether, by ``time.monotonic()``.
        confirms: Whether publishing waits for each message's confirm.
        on_alarm: Called with RabbitMQ's reason when it blocks publishers: low on memory or on disk.
    """
    # Connecting and the first message take several replies, which share the time.
    timeout = min(timeout_seconds, max(deadline - time.monotonic(), 0.1) / _REPLIES_TO_CONNECT)
    connection: Connection = celery.connection_for_write(
        connect_timeout=timeout,
        transport_options={
            "confirm_publish": confirms,
            "read_timeout": timeout,
            "write_timeout": timeout,
            # Redis's.
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
            **({} if on_alarm is None else {"frame_handler": _with_alarm(on_alarm)}),
        },
    )
    return connection


def _with_alarm(notify: Callable[[str], None]) -> Callable[..., Any]:
    """Return a frame handler for py-amqp, whose ``on_blocked`` callback gets no reason."""

    def handler(connection: Any, callback: Callable[..., Any]) -> Any:
        def look(channel: int, method: tuple[int, int], payload: Any, content: Any) -> Any:
            if method == spec.Connection.Blocked:
                # Class and method ids, then a short string after its length.
                notify(bytes(payload[5 : 5 + payload[4]]).decode(errors="replace"))
            return callback(channel, method, payload, content)

        return frame_handler(connection, look)

    return handler


def is_rabbitmq(connection: Connection) -> bool:
    """Whether the transport is py-amqp."""
    return isinstance(connection.transport, pyamqp.Transport)


def is_redis(connection: Connection) -> bool:
    """Whether the broker is Redis, also behind Sentinel."""
    return bool(connection.transport.driver_type == "redis")


def broker_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    """Return the exceptions of *connection* if the broker is unreachable or refuses something."""
    errors: tuple[Any, ...] = (*connection.connection_errors, *connection.channel_errors)
    return (*errors, OperationalError, OSError)
