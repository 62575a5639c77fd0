"""Publishing over one connection; ``tests/integration/broker`` uses RabbitMQ."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from services.celery_hosts import make_celery
from services.ledger.messages import arguments_in, sent
from services.servers.redis_server import url_of
from taskadmin.errors import BrokerUnavailable, SendingDisabled
from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.celery_app.queues import declare_queue
from taskadmin.queue.publishing import publisher as module
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.store.runs.results import UnsentRun

DUE = datetime(2026, 1, 1, tzinfo=UTC)
NAME = GENERATE_RANDOM_NUMBER_JOB.name
OTHER = "taskadmin.test-other"

pytestmark = pytest.mark.databases("sqlite")


def runs(*ids: int, queue: str = RUNS_QUEUE) -> list[UnsentRun]:
    """Runs of the built-in job."""
    return [UnsentRun(id_, DUE, NAME, queue) for id_ in ids]


@pytest.fixture
def publisher(celery: Celery) -> Publisher:
    """A publisher without a connection yet."""
    return Publisher(celery, timeout_seconds=5)


def test_each_run_has_a_message(publisher: Publisher, celery: Celery) -> None:
    """In order; a publisher sends several batches."""
    with publisher:
        assert publisher.send(runs(1, 2, 3)) == 3
        assert publisher.send(runs(4)) == 1
        assert publisher.send([]) == 0

    assert sent(celery) == [1, 2, 3, 4]


def test_runs_share_messages(publisher: Publisher, celery: Celery) -> None:
    """As many as the sizes say."""
    with publisher:
        publisher.start(runs(1, 2, 3), {NAME: 2})
        assert publisher.finish() == 3

    together, alone = arguments_in(celery)
    assert together == [[DUE.isoformat(), [1, 2]]]
    assert alone == [3, DUE.isoformat()]


def test_nothing_is_sent_after_the_deadline(celery: Celery) -> None:
    """The runs are left to the launcher."""
    with Publisher(celery, timeout_seconds=5, deadline=time.monotonic()) as publisher:
        assert publisher.send(runs(1, 2)) == 0

    assert sent(celery) == []


def test_an_unreachable_broker_is_named_without_its_password() -> None:
    """Every method raises the same error, and no run counts as handled."""
    celery = make_celery(broker_url="amqp://me:hunter22@127.0.0.1:1//")
    with Publisher(celery, timeout_seconds=0.1) as publisher:
        for call in (
            lambda: publisher.send(runs(1)),
            publisher.send_tick,
            lambda: publisher.ready(RUNS_QUEUE),
        ):
            with pytest.raises(BrokerUnavailable) as raised:
                call()
            assert str(raised.value).startswith("The broker at amqp://me:**@127.0.0.1:1// is unre")
        assert publisher.handled == 0


def test_nothing_is_executed_by_an_eager_celery() -> None:
    """A host's tests may have task_always_eager: runs stay queued, and the error says why."""
    celery = make_celery(task_always_eager=True)
    with Publisher(celery, timeout_seconds=1) as publisher:
        for call in (lambda: publisher.send(runs(1)), publisher.send_tick):
            with pytest.raises(SendingDisabled, match="because Celery's task_always_eager is on"):
                call()
        assert publisher.handled == 0


def test_a_refused_queue_does_not_stop_the_others(
    publisher: Publisher, celery: Celery, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Its runs count as handled, because sending them again at once wouldn't help."""
    declare = declare_queue

    def refuse(connection: Any, queue: Any) -> None:
        if queue.name == OTHER:
            raise connection.channel_errors[0]("inequivalent arg")
        declare(connection, queue)

    monkeypatch.setattr(module, "declare_queue", refuse)
    mixed = [run for pair in zip(runs(1, 2), runs(3, 4, queue=OTHER), strict=True) for run in pair]

    with publisher:
        assert publisher.send(mixed) == 4

    assert sent(celery) == [1, 2]
    assert publisher.refused == {OTHER: "inequivalent arg"}
    (line,) = [one.getMessage() for one in caplog.records if one.name == "taskadmin.queue"]
    assert line.startswith(f"Queue {OTHER} is unusable (inequivalent arg): its runs stay queued")


def test_a_tick_and_the_length_of_a_queue(publisher: Publisher, celery: Celery) -> None:
    """A queue that doesn't exist is empty."""
    with publisher:
        publisher.send_tick()
        publisher.send(runs(1, 2))
        lengths = [publisher.ready(name) for name in (LAUNCH_QUEUE, RUNS_QUEUE, "nowhere")]

    assert lengths == [1, 2, 0]
    assert arguments_in(celery, LAUNCH_QUEUE) == [[]]
    assert sent(celery) == [1, 2]


@pytest.fixture
def on_redis(empty_redis: Redis) -> Celery:
    """A host's Celery application whose broker is Redis."""
    return make_celery(broker_url=url_of(empty_redis))


def test_an_empty_queue_of_redis_is_usable(on_redis: Celery) -> None:
    """Redis deletes a list with its last element."""
    with Publisher(on_redis, timeout_seconds=5) as publisher:
        assert publisher.ready(RUNS_QUEUE) == 0
        assert publisher.send(runs(1)) == 1
        assert publisher.ready(RUNS_QUEUE) == 1
        assert publisher.refused == {}


def test_redis_that_has_lost_its_bindings_gets_messages(
    on_redis: Celery, empty_redis: Redis
) -> None:
    """On the same connection, without declaring queues again: runs and ticks."""
    with Publisher(on_redis, timeout_seconds=5) as publisher:
        assert publisher.send(runs(1)) == 1
        empty_redis.flushall()
        assert publisher.send(runs(1, 2)) == 2
        publisher.send_tick()

    assert [empty_redis.llen(name) for name in (RUNS_QUEUE, LAUNCH_QUEUE)] == [2, 1]


def test_a_full_redis_counts_as_unreachable(on_redis: Celery, empty_redis: Redis) -> None:
    """No queue is to blame; none of the runs is sent."""
    with Publisher(on_redis, timeout_seconds=5) as publisher:
        assert publisher.send(runs(1)) == 1
        empty_redis.config_set("maxmemory", "1")
        with pytest.raises(BrokerUnavailable, match="OutOfMemoryError"):
            publisher.send(runs(2, 3))
        empty_redis.config_set("maxmemory", "0")
        assert (publisher.handled, publisher.refused) == (0, {})
