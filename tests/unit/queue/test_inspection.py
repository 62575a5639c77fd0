"""Health checks of a broker without confirms, and of an unreachable one."""

from __future__ import annotations

import pytest
from celery import Celery

from taskadmin.errors import BrokerUnavailable
from taskadmin.queue.inspection import queue_states, try_broker


def test_a_broker_without_confirms_takes_everything() -> None:
    """It can't report consumers."""
    celery = Celery("host", broker="memory://", set_as_current=False)
    answer = try_broker(celery, timeout_seconds=1)
    assert (answer.has_confirms, answer.refusal, answer.alarm) == (False, None, None)
    assert queue_states(celery, ["taskadmin.runs"], timeout_seconds=1) is None


def test_a_broker_that_is_away_is_an_error_in_words() -> None:
    """With the driver's message."""
    celery = Celery("host", broker="amqp://127.0.0.1:1//", set_as_current=False)
    with pytest.raises(BrokerUnavailable, match="Error: "):
        try_broker(celery, timeout_seconds=0.5)
    with pytest.raises(BrokerUnavailable, match="Error: "):
        queue_states(celery, ["x"], timeout_seconds=0.5, altogether_seconds=0.5)
