"""Connections to the broker that give up soon."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError


def quick_connection(celery: Celery, *, timeout_seconds: float) -> Connection:
    """A connection for sending, with confirms, that isn't opened yet.

    Args:
        timeout_seconds: Longest wait for connecting and for each answer. A broker in a
            memory alarm never answers; without a limit the caller would hang with it.
    """
    return celery.connection_for_write(
        connect_timeout=timeout_seconds,
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


def broker_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    """What a broker that is away, or refuses something, makes *connection* raise."""
    errors: tuple[Any, ...] = (*connection.connection_errors, *connection.channel_errors)
    return (*errors, OperationalError, OSError)
