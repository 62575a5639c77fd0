"""A Redis that forgets, refuses to store, or delivers messages again while they are executed."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from ..catalogue import fault
from ..mode import current_mode
from ..stages.brokers import RedisOfOurOwn
from ..stages.processes import RUNS_QUEUE
from ..stages.stage import Stage

AREA = "broker"
BROKER = "redis"
POOL = 2


def _redis(stage: Stage) -> RedisOfOurOwn:
    assert isinstance(stage.broker, RedisOfOurOwn)
    return stage.broker


def _restart_empty(stage: Stage) -> None:
    redis = _redis(stage)
    redis.kill()
    redis.lose_data()
    stage.restart_broker()


@fault("Redis restarted without its data", area=AREA, extra=POOL, broker=BROKER)
def restarted_empty(stage: Stage) -> Iterator[None]:
    """Kill -9 while workers execute runs; waiting and unacknowledged messages are lost."""
    stage.start_draining()
    _restart_empty(stage)
    yield


@fault("Redis restarted without its data mid-publish", area=AREA, extra=POOL, broker=BROKER)
def restarted_empty_mid_publish(stage: Stage) -> Iterator[None]:
    """The same while the launcher sends messages."""
    stage.start_launching(600)
    _restart_empty(stage)
    yield


@fault("FLUSHALL mid-drain", area=AREA, extra=POOL, broker=BROKER)
def flushed(stage: Stage) -> Iterator[None]:
    """All keys are lost, including the bindings of queues, but no connection."""
    stage.start_draining()
    _redis(stage).client(stage.vhost).flushall()
    yield


@fault("FLUSHALL again and again", area=AREA, extra=3 * POOL, broker=BROKER)
def flushed_often(stage: Stage) -> Iterator[None]:
    """The same three times, while the launcher sends messages and workers execute runs."""
    stage.start_launching(200)
    for _ in range(3):
        _redis(stage).client(stage.vhost).flushall()
        stage.sleep(1)
    yield


@fault("worker killed, its messages stay unacknowledged", area=AREA, extra=POOL, broker=BROKER)
def unacknowledged(stage: Stage) -> Iterator[None]:
    """Redis keeps a dead worker's messages for an hour; its runs are executed before."""
    _, _, worker = stage.start_draining()
    worker.send_group(signal.SIGKILL)
    stage.worker("second")
    yield
    held = int(_redis(stage).client(stage.vhost).hlen("unacked"))
    stage.expect(held, "Redis holds no message of the dead worker")


@fault("Redis restarted, its messages stay unacknowledged", area=AREA, extra=POOL, broker=BROKER)
def restarted_unacknowledged(stage: Stage) -> Iterator[None]:
    """Kill -9 of Redis and of the worker; both start again, Redis with its data."""
    _, _, worker = stage.start_draining()
    _redis(stage).kill()
    worker.send_group(signal.SIGKILL)
    _redis(stage).start()
    worker.start()
    yield


#: Messages are delivered again after a second, and searched for as often.
IMPATIENT = {
    "CELERY": {
        "broker_transport_options": {
            "health_check_interval": 2,
            "visibility_timeout": 1,
            "unacked_restore_interval": 0.5,
            "unacked_restore_throttle": 1,
        }
    }
}


@fault("visibility timeout shorter than a job", area=AREA, broker=BROKER, settings=IMPATIENT)
def delivered_again(stage: Stage) -> Iterator[None]:
    """Messages are delivered again while their runs are executed, claimed or not."""
    stage.add_tasks(2, "steady", seconds=6)
    stage.add_tasks(2, "quick", seconds=3)
    stage.load(8, seconds=0.1)
    # Only a run whose start isn't recorded may be executed by both workers.
    stage.extra = 10 * current_mode().per_message
    first, second = stage.worker(), stage.worker("second")
    stage.wait_ready(first, second, stage.launcher())
    stage.beat()
    yield
    steady = [marker for marker, job, _ in stage.executions() if job == "steady"]
    stage.expect(len(steady) == len({*steady}), "a run that records its start was executed twice")
    stage.wait(lambda: not stage.all_messages(RUNS_QUEUE), "an empty queue")
