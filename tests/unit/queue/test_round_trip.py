"""A ping to a worker and its reply; tests/integration uses real workers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery
from flask import Flask

from taskadmin.errors import BrokerUnavailable, TaskAdminError
from taskadmin.queue import round_trip
from taskadmin.queue.round_trip import RoundTrip, echo, measure_round_trip

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.settings(CELERY={"broker_url": "memory://", "result_backend": "cache+memory://"})
def test_a_queue_without_consumers_is_reported(celery: Celery) -> None:
    """With the command that starts a worker."""
    with pytest.raises(TaskAdminError) as raised:
        measure_round_trip(celery, timeout_seconds=0.1)
    assert str(raised.value) == (
        "No worker listens on taskadmin.runs: start one with celery worker -Q taskadmin.runs."
    )
    answer = echo(celery, timeout_seconds=0.1)
    assert (answer.worker, answer.is_possible) == (None, True)
    assert answer.elapsed >= timedelta(seconds=0.1)


def test_without_a_result_backend_the_page_gets_that_answer(celery: Celery) -> None:
    """No message is sent."""
    assert not echo(celery, timeout_seconds=1).is_possible


@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//", "result_backend": "rpc://"})
def test_a_broker_that_is_away_is_another_error(app: Flask) -> None:
    """Also on pages."""
    with pytest.raises(BrokerUnavailable, match="The broker can't be reached: "):
        echo(app.extensions["taskadmin"].celery, timeout_seconds=0.3)


def test_an_answer_names_its_worker(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its duration."""
    celery.conf.result_backend = "cache+memory://"
    found = RoundTrip("w@here", timedelta(seconds=2))
    monkeypatch.setattr(round_trip, "measure_round_trip", lambda *_, **__: found)
    monkeypatch.setattr(round_trip, "DisabledBackend", int)
    answer = echo(celery, timeout_seconds=1)
    assert (answer.worker, answer.elapsed) == ("w@here", timedelta(seconds=2))
