"""Messages of any shape: tidied, taken, or rejected with a line in the log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker.consumer import Consumer
from kombu import Connection

from fixture_types import MakeApp
from taskadmin.queue import consumer as careful
from taskadmin.queue.configuration import add_queues_and_schedule
from taskadmin.queue.consumer import CarefulConsumer
from taskadmin.settings import Settings
from taskadmin.state import get_state


class StubMessage:
    """What the consumer needs of a kombu message."""

    def __init__(
        self, headers: Any, *, acknowledged: bool = False, queue: str = "host.queue"
    ) -> None:
        self.headers = headers
        self.delivery_info = {"routing_key": queue}
        self.acknowledged = acknowledged
        self.rejected = False

    def reject_log_error(self, *_: Any) -> None:
        """Note it."""
        self.rejected = True


class Taking(CarefulConsumer):
    """A consumer without a worker: what Celery would do with a message is the test's."""

    connection_errors = (ConnectionError,)

    def __init__(self) -> None:
        pass


@pytest.fixture
def celerys(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reached Celery; an exception put in first is raised."""
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
def test_what_cannot_be_read_is_rejected(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """The worker goes on; the log shows the beginning of the headers."""
    celerys.append(error)
    message = StubMessage({"task": ["a", "list"]})
    Taking().create_task_handler()(message)
    assert message.rejected
    assert "can't be read is rejected" in caplog.text
    assert "['a', 'list']" in caplog.text


def test_a_message_that_is_settled_is_not_rejected_again(celerys: list[Any]) -> None:
    """Celery had done so before it failed."""
    celerys.append(ValueError())
    message = StubMessage({}, acknowledged=True)
    Taking().create_task_handler()(message)
    assert not message.rejected


@pytest.mark.parametrize("error", [ConnectionError(), SystemExit()])
def test_lost_connections_and_shutdowns_pass(celerys: list[Any], error: BaseException) -> None:
    """They are Celery's to handle."""
    celerys.append(error)
    with pytest.raises(type(error)):
        Taking().create_task_handler()(StubMessage({}))


@pytest.mark.parametrize("headers", [None, [], "text", 5])
def test_headers_of_any_type_are_left_to_celery(celerys: list[Any], headers: Any) -> None:
    """It rejects them itself."""
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
    """The ledger says when it starts; limits that the publisher sends stay."""
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
    """Its times mean something to the host."""
    headers = {"task": "host.task", "eta": "2027-01-01T00:00:00+00:00", "expires": 5}
    before = dict(headers)
    Taking().create_task_handler()(StubMessage(headers))
    assert headers == before


@pytest.mark.parametrize(
    "limits", [["soon", "later"], "ab", [1], [[], {}], [float("inf"), None], 5]
)
def test_limits_that_are_none_are_refused_for_any_celery_task(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, limits: Any
) -> None:
    """Celery takes them, and its loop ends when the task is accepted."""
    message = StubMessage({"task": "celery.map", "timelimit": limits})
    Taking().create_task_handler()(message)
    assert (celerys, message.rejected) == ([], True)
    assert "its header timelimit" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ["a"]),
        ("root_id", {}),
        ("retries", "many"),
        ("shadow", 5),
        ("stamped_headers", "text"),
        ("stamped_headers", [["a"]]),
        ("stamps", [1]),
    ],
)
def test_headers_of_a_type_that_celery_never_sends_are_refused(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, name: str, value: Any
) -> None:
    """They would block a worker's place when Celery looks into them."""
    message = StubMessage({"task": "celery.map", name: value})
    Taking().create_task_handler()(message)
    assert (celerys, message.rejected) == ([], True)
    assert f"its header {name}" in caplog.text


@pytest.mark.parametrize("queue", ["taskadmin.launch", "taskadmin.runs"])
def test_nothing_waits_for_its_time_in_our_queues(
    celerys: list[Any], caplog: pytest.LogCaptureFixture, queue: str
) -> None:
    """It would keep its place in the worker, so that nothing else comes in."""
    message = StubMessage({"task": "celery.map", "eta": "9999-12-31T23:59:59"}, queue=queue)
    Taking().create_task_handler()(message)
    assert (celerys, message.rejected) == ([], True)
    assert f"nothing waits for its time in the queue {queue}" in caplog.text


# Of what Celery 6 will do with tasks that are executed meanwhile.
@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
@pytest.mark.parametrize("per_consumer", [True, False, None])
@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({}, 3),
        ({"TASKADMIN_RUNS_AT_ONCE": 10}, 60),
        ({"TASKADMIN_RUNS_PER_MESSAGE": 10}, 6),
    ],
)
def test_a_worker_takes_as_many_messages_after_its_connection_was_lost(
    make_app: MakeApp, settings: dict[str, int], most: int, per_consumer: bool | None
) -> None:
    """Or nothing would be gathered any more: one message a second in a solo worker."""

    celery = get_state(make_app(**settings)).celery
    assert celery is not None
    pool = SimpleNamespace(num_processes=3, is_green=False)
    controller = SimpleNamespace(use_eventloop=False)
    consumer = CarefulConsumer(
        print, app=celery, pool=pool, controller=controller, initial_prefetch_count=3
    )
    assert consumer.initial_prefetch_count == most
    # Whether RabbitMQ counts for each consumer, which quorum queues ask for; None: not known.
    consumer.qos_global = None if per_consumer is None else not per_consumer

    for _ in range(2):
        consumer.connection = Connection("memory://")
        consumer.on_connection_error_after_connected(ConnectionError("reset"))

    assert consumer.initial_prefetch_count == most


def test_a_consumer_of_the_hosts_own_stays() -> None:
    """Otherwise ours is used."""
    ours, hosts = Celery("ours", set_as_current=False), Celery("host", set_as_current=False)
    hosts.conf.worker_consumer = "host.consumer:Consumer"
    for celery in (ours, hosts):
        add_queues_and_schedule(celery, Settings())
        _ = celery.conf.task_queues
    assert ours.conf.worker_consumer == f"{careful.__name__}:CarefulConsumer"
    assert hosts.conf.worker_consumer == "host.consumer:Consumer"
