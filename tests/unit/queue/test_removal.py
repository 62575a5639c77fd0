"""Delete taskadmin's queues and exchanges, except those that others use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue
from kombu.transport import memory
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from services.celery_hosts import host_celery, own_celery
from services.servers.rabbitmq import rabbitmq_server
from taskadmin.errors import BrokerUnavailable
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.celery_app.queues import dead_queue, own_queues
from taskadmin.queue.removal import DELAYED_DELIVERY, Kept, delete_objects, find_objects

QUORUM = {"x-queue-type": "quorum"}


@pytest.fixture
def broker() -> Iterator[str]:
    """A virtual host with no queue."""
    with rabbitmq_server() as url:
        yield url


@pytest.fixture
def connection(broker: str) -> Iterator[Connection]:
    """A connection to the broker."""
    with Connection(broker) as connection:
        yield connection


@pytest.fixture
def celery(broker: str, connection: Connection) -> Celery:
    """An application with all that its workers declare."""
    celery = own_celery(CELERY={"broker_url": broker})
    declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    for queue in [*celery.amqp.queues.values(), dead_queue()]:
        queue.bind(connection.channel()).declare()
    for queue in celery.amqp.queues.values():
        bind_queue_to_native_delayed_delivery_exchange(connection, queue)
    return celery


def removed(celery: Celery) -> list[Kept]:
    """Delete everything, and return what is kept."""
    found = find_objects(celery, timeout_seconds=10)
    return delete_objects(celery, found, timeout_seconds=10)


def test_all_is_found_and_deleted(celery: Celery) -> None:
    """With their messages; afterwards, nothing is found."""
    found = find_objects(celery, timeout_seconds=10)

    assert {queue.name for queue in found.queues} == {
        *(LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE, "taskadmin.default")
    }
    assert set(found.exchanges) == {LAUNCH_QUEUE, RUNS_QUEUE, "taskadmin.default"}
    assert len(found.delayed) == 28
    assert delete_objects(celery, found, timeout_seconds=10) == []
    assert not any(find_objects(celery, timeout_seconds=10))


def test_delayed_delivery_of_other_quorum_queues_is_kept(
    celery: Celery, connection: Connection
) -> None:
    """The exchange of a host's queue is bound to it, as Celery's workers do when they start."""
    exchange = Exchange("mail", type="topic")
    mail = Queue("mail", exchange, routing_key="mail", queue_arguments=QUORUM)
    mail.bind(connection.channel()).declare()
    bind_queue_to_native_delayed_delivery_exchange(connection, mail)

    assert removed(celery) == [Kept(DELAYED_DELIVERY, "other queues of Celery use them")]

    left = find_objects(celery, timeout_seconds=10)
    assert (left.queues, left.exchanges, len(left.delayed)) == ([], [], 28)


def test_waiting_delayed_messages_are_kept(celery: Celery, connection: Connection) -> None:
    """They are an application's tasks with a countdown."""
    producer = connection.Producer()
    producer.publish("later", exchange="", routing_key="celery_delayed_9", retry=False)

    kept = removed(celery)

    assert kept == [Kept(DELAYED_DELIVERY, "messages are waiting there (1)")]


def test_a_queue_with_consumers_is_kept(celery: Celery, connection: Connection) -> None:
    """Another installation, with another database, shares the virtual host."""
    channel = connection.channel()
    channel.basic_consume(RUNS_QUEUE, callback=print)

    kept = removed(celery)

    assert (RUNS_QUEUE, "it has consumers that aren't in this database") in kept
    left = find_objects(celery, timeout_seconds=10)
    assert ([queue.name for queue in left.queues], left.exchanges) == ([RUNS_QUEUE], [RUNS_QUEUE])


def test_an_exchange_to_which_others_have_bound_is_kept(
    celery: Celery, connection: Connection
) -> None:
    """A queue that copies the messages of runs, for example."""
    copies = Queue("copies", Exchange(RUNS_QUEUE, type="topic"), routing_key="#")
    copies.bind(connection.channel()).declare()

    [kept, _] = removed(celery)

    assert kept.name == RUNS_QUEUE
    assert kept.why.startswith("PRECONDITION_FAILED")


def test_queues_of_the_host_are_not_ours() -> None:
    """One that it has defined, and its default queue."""
    ours = {queue.name for queue in own_queues(host_celery(task_default_queue="mail"))}
    assert ours == {LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE}
    ours = {queue.name for queue in own_queues(host_celery(task_queues=[Queue(RUNS_QUEUE)]))}
    assert ours == {LAUNCH_QUEUE, DEAD_QUEUE}


def test_broker_that_is_away() -> None:
    """It raises the error that callers know."""
    celery = own_celery(CELERY={"broker_url": "amqp://127.0.0.1:1//"})

    with pytest.raises(BrokerUnavailable):
        find_objects(celery, timeout_seconds=1)


def test_another_transport_loses_its_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """With kombu's transport in memory, as with Redis, a queue has to be declared first."""
    monkeypatch.setattr(memory.Channel, "queues", {})  # without those of other tests
    celery = own_celery(CELERY={"broker_url": "memory://removal/"})
    with celery.connection_for_write() as connection:
        connection.default_channel.queue_declare(RUNS_QUEUE)
        assert [queue.name for queue in find_objects(celery, timeout_seconds=1).queues] == [
            RUNS_QUEUE
        ]

        assert removed(celery) == []

        assert find_objects(celery, timeout_seconds=1).queues == []
