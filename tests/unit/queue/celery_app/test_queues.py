"""taskadmin's queues beside those of the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue

from services.celery_hosts import host_celery, own_celery
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, registry
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.celery_app.queues import consumed_queues, dead_queue, queue_named


def test_queues_are_quorum_queues_with_a_delivery_limit() -> None:
    """Queues that workers read count deliveries; their arguments must not change."""
    arguments = {queue.name: queue.queue_arguments for queue in consumed_queues()}

    assert arguments == {
        LAUNCH_QUEUE: {"x-queue-type": "quorum", "x-delivery-limit": 20},
        RUNS_QUEUE: {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_QUEUE,
        },
    }
    assert dead_queue().queue_arguments == {"x-queue-type": "quorum"}


def test_workers_do_not_read_the_dead_queue() -> None:
    """A worker without -Q must not execute dead messages."""
    assert DEAD_QUEUE not in own_celery().amqp.queues


def test_a_host_without_queues_keeps_its_default_queue() -> None:
    """The host's ``celery worker`` still reads the queue of its tasks."""
    queues = host_celery(task_default_queue="orders").amqp.queues

    assert set(queues) == {"orders"}
    assert queues["orders"].routing_key == "orders"


def declared(queue: Queue) -> tuple[Any, ...]:
    """Return a queue's bindings and the arguments that RabbitMQ compares."""
    exchange = queue.exchange
    return exchange.name, exchange.type, queue.routing_key, queue.queue_arguments


def of_ours(conf: dict[str, Any]) -> Celery:
    """The Celery application that taskadmin creates, with a host's settings."""
    return own_celery(CELERY=conf)


def of_host(conf: dict[str, Any]) -> Celery:
    """The host's own Celery application."""
    return host_celery(**conf)


@pytest.mark.parametrize("name", [LAUNCH_QUEUE, RUNS_QUEUE, "orders"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"task_default_queue_type": "quorum"},
        {"task_default_exchange": "e", "task_default_exchange_type": "fanout"},
        {"task_default_routing_key": "k"},
        {"task_queue_max_priority": 10},
        {"task_queues": [Queue("mail")]},
    ],
)
@pytest.mark.parametrize("make", [of_ours, of_host])
def test_a_default_queue_spelt_like_one_of_ours_is_ours(
    name: str, more: dict[str, Any], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or like a job's own queue, since the host gave only a name."""
    job = replace(GENERATE_RANDOM_NUMBER_JOB, queue="orders")
    monkeypatch.setattr(registry, "_jobs", {job.name: job})

    celery = make({"task_default_queue": name, **more})

    ours = {queue.name: declared(queue) for queue in consumed_queues()}
    assert {n: declared(queue_named(celery, n)) for n in ours} == ours
    named = {name} if make is of_host else {*ours}
    also = {queue.name for queue in more.get("task_queues", ())}
    assert set(celery.amqp.queues) == named | also


@pytest.mark.parametrize("more", [{}, {"task_queue_max_priority": 10}])
def test_the_dead_queue_as_default_has_our_arguments(more: dict[str, Any]) -> None:
    """Workers can declare it; the doctor reports it."""
    queues = host_celery(task_default_queue=DEAD_QUEUE, **more).amqp.queues

    assert queues[DEAD_QUEUE].queue_arguments == dead_queue().queue_arguments


@pytest.mark.parametrize(
    "queues",
    [
        [Queue(RUNS_QUEUE, Exchange("e"), "k", queue_arguments={"x-max-length": 7})],
        {RUNS_QUEUE: {"exchange": "e", "routing_key": "k", "queue_arguments": {"x-max-length": 7}}},
        {RUNS_QUEUE: Queue(RUNS_QUEUE, Exchange("e"), "k", queue_arguments={"x-max-length": 7})},
    ],
    ids=["list", "dictionary", "dictionary of queues"],
)
def test_a_queue_of_ours_that_the_host_defines_is_the_hosts(queues: Any) -> None:
    """The host's explicit definition wins, also over its name as default queue."""
    celery = host_celery(task_queues=queues, task_default_queue=RUNS_QUEUE)

    assert declared(celery.amqp.queues[RUNS_QUEUE]) == ("e", "direct", "k", {"x-max-length": 7})


def test_a_hosts_queues_are_read_as_celery_reads_them() -> None:
    """In a dictionary, the routing key defaults to the queue's name."""
    assert host_celery(task_queues={"mail": {}}).amqp.queues["mail"].routing_key == "mail"


def test_a_hosts_queues_stay() -> None:
    """taskadmin's queues are added after the host's."""
    task_queues = [Queue("mail"), Queue("reports")]

    assert {*of_host({"task_queues": task_queues}).amqp.queues} == {"mail", "reports"}
    queues = of_ours({"task_queues": task_queues}).amqp.queues
    assert {*queues} == {"mail", "reports", LAUNCH_QUEUE, RUNS_QUEUE}
