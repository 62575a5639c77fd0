"""Messages of any form: cleaned, accepted, or rejected with a log line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker.consumer import Consumer
from flask import Flask
from kombu.utils.imports import symbol_by_name

from taskadmin.queue.celery_app.configuration import add_schedule, make_celery
from taskadmin.queue.consumer import CarefulConsumer
from taskadmin.settings import Settings


class StubMessage:
    """The parts of a kombu message that the consumer uses."""

    def __init__(
        self, headers: Any, *, acknowledged: bool = False, queue: str = "host.queue"
    ) -> None:
        self.headers = headers
        self.delivery_info = {"routing_key": queue}
        self.acknowledged = acknowledged
        self.rejected = False

    def reject_log_error(self, *_: Any) -> None:
        """Record the rejection."""
        self.rejected = True


class Taking(CarefulConsumer):
    """A consumer without a worker, with a given handler instead of Celery's."""

    connection_errors = (ConnectionError,)

    def __init__(self) -> None:
        pass


@pytest.fixture
def celerys(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Messages that reached Celery; an exception in the list is raised first."""
    taken: list[Any] = []

    def take(message: Any) -> None:
        if taken and isinstance(taken[0], BaseException):
            raise taken[0]
        taken.append(message)

    monkeypatch.setattr(Consumer, "create_task_handler", lambda self: take)
    return taken


@pytest.mark.parametrize(
    "error", [TypeError("unhashable type: 'list'"), OverflowError(), KeyError("id"), ValueError()]
)
def test_unreadable_messages_are_rejected(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """The worker continues; the log has the beginning of the headers."""
    celerys.append(error)
    message = StubMessage({"task": ["a", "list"]})
    Taking().create_task_handler()(message)
    assert message.rejected
    assert "Rejected an invalid message" in caplog.text
    assert "['a', 'list']" in caplog.text


def test_a_message_that_is_settled_is_not_rejected_again(celerys: list[Any]) -> None:
    """Celery had acknowledged it before it failed."""
    celerys.append(ValueError())
    message = StubMessage({}, acknowledged=True)
    Taking().create_task_handler()(message)
    assert not message.rejected


@pytest.mark.parametrize("error", [ConnectionError(), SystemExit()])
def test_lost_connections_and_shutdowns_pass(celerys: list[Any], error: BaseException) -> None:
    """Celery handles them."""
    celerys.append(error)
    with pytest.raises(type(error)):
        Taking().create_task_handler()(StubMessage({}))


@pytest.mark.parametrize("headers", [None, [], "text", 5])
def test_headers_of_any_type_are_left_to_celery(celerys: list[Any], headers: Any) -> None:
    """Celery rejects them."""
    message = StubMessage(headers)
    Taking().create_task_handler()(message)
    assert celerys == [message]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ([60.0, None], True),
        ((60, 30), True),
        ([None, None], True),
        (None, False),
        ("abc", False),
        (["a", "b"], False),
        ([60], False),
        ([-1, None], False),
        ([float("nan"), None], False),
        ([10**9, None], False),
        ([True, None], False),
        ({"a": 1}, False),
    ],
)
def test_a_runs_message_brings_no_times_of_its_own(
    celerys: list[Any], limits: Any, kept: bool
) -> None:
    """The ledger has its start time; the publisher's limits stay."""
    headers = {
        "task": "taskadmin.run",
        "eta": "9999-12-31T23:59:59",
        "expires": "now",
        "timelimit": limits,
    }
    Taking().create_task_handler()(StubMessage(headers))
    assert headers["eta"] is headers["expires"] is None
    assert headers["timelimit"] == (limits if kept else [None, None])


def test_a_hosts_message_is_left_as_it_is(celerys: list[Any]) -> None:
    """Its times belong to the host."""
    headers = {"task": "host.task", "eta": "2027-01-01T00:00:00+00:00", "expires": 5}
    before = dict(headers)
    Taking().create_task_handler()(StubMessage(headers))
    assert headers == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Celery accepts these, and then its loop ends.
        ("timelimit", ["soon", "later"]),
        ("timelimit", "ab"),
        ("timelimit", [1]),
        ("timelimit", [[], {}]),
        ("timelimit", 5),
        ("timelimit", [float("inf"), None]),
        # They would block a slot of the worker.
        ("id", ["a"]),
        ("root_id", {}),
        ("retries", "many"),
        ("shadow", 5),
        ("stamped_headers", "text"),
        ("stamped_headers", [["a"]]),
        ("stamps", [1]),
    ],
)
def test_headers_that_celery_never_sends_are_refused_for_any_celery_task(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, name: str, value: Any
) -> None:
    """The log names the header."""
    message = StubMessage({"task": "celery.map", name: value})
    Taking().create_task_handler()(message)
    assert (celerys, message.rejected) == ([], True)
    assert f"its header {name}" in caplog.text


@pytest.mark.parametrize("queue", ["taskadmin.launch", "taskadmin.runs"])
def test_nothing_waits_for_its_time_in_our_queues(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, queue: str
) -> None:
    """It would occupy a slot of the worker."""
    message = StubMessage({"task": "celery.map", "eta": "9999-12-31T23:59:59"}, queue=queue)
    Taking().create_task_handler()(message)
    assert (celerys, message.rejected) == ([], True)
    assert f"messages with an ETA aren't allowed in the queue {queue}" in caplog.text


def test_a_hosts_own_celery_application_keeps_its_consumer() -> None:
    """A Celery application that taskadmin creates uses taskadmin's, unless configured otherwise."""
    host, told = Celery("host", set_as_current=False), Flask("told")
    told.config["CELERY"] = {"worker_consumer": "own.consumer:Consumer"}
    add_schedule(host, Settings())
    _ = host.conf.beat_schedule
    assert host.conf.worker_consumer == "celery.worker.consumer:Consumer"
    assert make_celery(told).conf.worker_consumer == "own.consumer:Consumer"
    ours = make_celery(Flask("ours")).conf.worker_consumer
    assert symbol_by_name(ours) is CarefulConsumer


@pytest.mark.parametrize("is_green", [True, False])
def test_green_threads_wait_for_no_confirm_of_an_event(
    monkeypatch: pytest.MonkeyPatch, is_green: bool
) -> None:
    """Their event loop may have read it; other transport options stay."""
    monkeypatch.setattr(Consumer, "ensure_connected", lambda _, connection: connection)
    consumer = Taking()
    consumer.pool = SimpleNamespace(is_green=is_green)
    consumer.app = Celery(broker="memory://", set_as_current=False)
    consumer.app.conf.broker_transport_options = {"confirm_publish": True, "read_timeout": 10}
    connection = consumer.connection_for_write(heartbeat=30)
    assert connection.transport_options == {"confirm_publish": not is_green, "read_timeout": 10}
    assert connection.heartbeat == 30
