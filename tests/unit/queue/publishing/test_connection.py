"""Connections to the broker with short timeouts."""

from __future__ import annotations

import time

import pytest
from amqp import spec  # type: ignore[import-untyped]
from celery import Celery
from kombu import Connection

from taskadmin.queue.publishing import connection as module
from taskadmin.queue.publishing.connection import (
    broker_errors,
    is_rabbitmq,
    is_redis,
    quick_connection,
)


def options_of(celery: Celery, **options: float) -> tuple[float, float]:
    """Return the timeouts for connecting and for replies."""
    made = quick_connection(celery, timeout_seconds=3, **options)  # type: ignore[arg-type]
    return made.connect_timeout, made.transport_options["read_timeout"]


def test_a_connection_waits_no_longer_than_its_deadline_lets_it() -> None:
    """Connecting takes several replies, which share the time."""
    celery = Celery("host", broker="amqp://127.0.0.1:1//", set_as_current=False)
    assert options_of(celery) == (3, 3)
    assert options_of(celery, deadline=time.monotonic() + 60) == (3, 3)
    connect, read = options_of(celery, deadline=time.monotonic())
    assert connect == read == pytest.approx(0.1 / 6)


def test_only_py_amqp_talks_to_rabbitmq() -> None:
    """Other transports have no confirms."""
    assert is_rabbitmq(Connection("pyamqp://"))
    assert not is_rabbitmq(Connection("memory://"))


def test_redis_is_known_behind_sentinel_too() -> None:
    """Its errors and its routing differ from RabbitMQ's."""
    assert is_redis(Connection("redis://")) and is_redis(Connection("sentinel://"))
    assert not is_redis(Connection("pyamqp://"))


@pytest.mark.parametrize("url", ["amqp://127.0.0.1:1//", "memory://"])
def test_a_broker_that_is_away_raises_one_of_its_errors(url: str) -> None:
    """In the transport's own class."""
    errors = broker_errors(Connection(url))
    assert issubclass(ConnectionRefusedError, errors)
    assert issubclass(TimeoutError, errors)


def test_an_alarm_is_reported_with_the_brokers_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """py-amqp's own callback doesn't get it; other frames are handled as usual."""
    handled: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "frame_handler", lambda _connection, callback: callback)
    alarms: list[str] = []
    handler = module._with_alarm(alarms.append)(
        None, lambda _channel, method, _payload, _content: handled.append(method)
    )
    payload = memoryview(b"\0\0\0\0\x0dlow on memory..")
    for method in (spec.Connection.Blocked, spec.Connection.Unblocked):
        handler(0, method, payload, None)
    assert alarms == ["low on memory"]
    assert handled == [spec.Connection.Blocked, spec.Connection.Unblocked]
