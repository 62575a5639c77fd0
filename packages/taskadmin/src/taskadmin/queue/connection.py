"""Connections to the broker that give up soon."""

from __future__ import annotations

import math
import time
from typing import Any

from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp


def quick_connection(
    celery: Celery, *, timeout_seconds: float, deadline: float = math.inf
) -> Connection:
    """A connection for sending, with confirms, that isn't opened yet.

    Args:
        timeout_seconds: Longest wait for connecting and for each answer. A broker in a
            memory alarm never answers; without a limit the caller would hang with it.
        deadline: When it gives up whatever it waits for, in ``time.monotonic()``'s time.
            Connecting alone takes five answers: over a slow link each of them is in time.
    """
    left = max(deadline - time.monotonic(), 0.1)
    connection: Connection = celery.connection_for_write(
        # Half of what is left, because it is tried twice.
        connect_timeout=min(timeout_seconds, left / 2),
        transport_options={
            "confirm_publish": True,
            "read_timeout": timeout_seconds,
            "write_timeout": timeout_seconds,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
    )
    if deadline < math.inf and is_rabbitmq(connection):

        class Hurried(_Hurried):
            ends = deadline
            longest = timeout_seconds

        connection.transport.Connection = Hurried
    return connection


def is_rabbitmq(connection: Connection) -> bool:
    """Whether py-amqp talks to the broker."""
    return isinstance(connection.transport, pyamqp.Transport)


class _Hurried(pyamqp.Connection):  # type: ignore[misc]  # kombu has no types
    """Waits for no answer longer than until a deadline."""

    ends: float
    longest: float

    def blocking_read(self, timeout: float | None = None) -> Any:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time to send is over")
        # 0 means: only what is there already.
        longest = self.longest if timeout is None else min(timeout, self.longest)
        return super().blocking_read(min(left, longest))


def broker_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    """What a broker that is away, or refuses something, makes *connection* raise."""
    errors: tuple[Any, ...] = (*connection.connection_errors, *connection.channel_errors)
    return (*errors, OperationalError, OSError)
