"""A broker that dies, is full, or loses queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..catalogue import fault
from ..stages.host import OWN_QUEUE
from ..stages.processes import LAUNCH_QUEUE, RUNS_QUEUE
from ..stages.stage import Stage

AREA = "broker"
#: Jobs in progress when the connection ends: Celery ends them, since their message is requeued.
POOL = 2


@fault("broker killed mid-publish", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def killed_mid_publish(stage: Stage) -> Iterator[None]:
    """Kill -9 while the launcher sends messages, then a restart."""
    stage.add_tasks(900, "quick")
    stage.start_all()
    stage.wait_launch_under_way(100)
    stage.broker.kill()
    stage.expect_launch_open()
    stage.restart_broker()
    yield


@fault("broker killed mid-drain", area=AREA, extra=POOL)
def killed_mid_drain(stage: Stage) -> Iterator[None]:
    """Kill -9 while workers execute runs, then a restart."""
    stage.start_draining()
    stage.broker.kill()
    stage.restart_broker()
    yield


@fault("broker down at the tick", area=AREA)
def down_at_the_tick(stage: Stage) -> Iterator[None]:
    """Beat, launcher and worker start before the broker."""
    stage.load(8, seconds=0.1)
    stage.broker.kill()
    stage.beat()
    stage.launcher()
    stage.worker()
    stage.sleep(4)
    stage.restart_broker()
    yield


def blocked_before_launch(
    stage: Stage, begin: Callable[[], None], end: Callable[[], None]
) -> Iterator[None]:
    """An alarm blocks all publishers until 5 s after the launch has begun."""
    stage.load(16, seconds=0.1)
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    stage.on_close(end)
    begin()
    stage.beat()
    stage.sleep(5)
    end()
    stage.supervise_on_redis()
    yield


def blocked_mid_publish(
    stage: Stage, begin: Callable[[], None], end: Callable[[], None], *, tasks: int
) -> Iterator[None]:
    """An alarm blocks the launcher for 5 s while it sends messages."""
    stage.add_tasks(tasks, "quick")
    stage.on_close(end)
    stage.start_all()
    stage.wait(lambda: stage.count() >= 50, "the first page", seconds=45)
    begin()
    stage.sleep(5)
    end()
    stage.supervise_on_redis()
    yield


@fault("memory alarm", area=AREA, extra=POOL)
def memory_alarm(stage: Stage) -> Iterator[None]:
    """The broker blocks all publishers before the launch and for 5 s of it."""
    broker = stage.broker
    yield from blocked_before_launch(stage, broker.memory_alarm, broker.end_memory_alarm)


@fault("memory alarm mid-publish", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def memory_alarm_mid_publish(stage: Stage) -> Iterator[None]:
    """The broker blocks the launcher for 5 s while it sends messages."""
    broker = stage.broker
    yield from blocked_mid_publish(stage, broker.memory_alarm, broker.end_memory_alarm, tasks=900)


@fault("runs queue purged", area=AREA)
def purged(stage: Stage) -> Iterator[None]:
    """All messages of a launch are lost before a worker starts."""
    stage.load(16, seconds=0.1)
    stage.launcher()
    stage.beat()
    stage.wait_runs(45)
    with stage.channel() as channel:
        gone = channel.queue_purge(RUNS_QUEUE)
    stage.expect_in_time(gone, "there was no message to lose")
    stage.worker()
    yield


@fault("runs queue purged mid-drain", area=AREA)
def purged_mid_drain(stage: Stage) -> Iterator[None]:
    """Waiting messages are lost while a worker executes runs."""
    stage.start_draining(24)
    with stage.channel() as channel:
        channel.queue_purge(RUNS_QUEUE)
    yield


@fault("runs queue deleted", area=AREA, extra=POOL)
def runs_deleted(stage: Stage) -> Iterator[None]:
    """The queue is deleted with its messages while a worker reads it."""
    stage.start_draining(24)
    with stage.channel() as channel:
        channel.queue_delete(RUNS_QUEUE)
    yield


@fault("launch queue deleted", area=AREA)
def launch_deleted(stage: Stage) -> Iterator[None]:
    """The queue of ticks is deleted while a launcher reads it, before the slot is launched."""
    stage.load(16, seconds=0.1)
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    # In the first tenth of a second of its loop, Celery ignores the broker's cancellation.
    stage.sleep(1)
    with stage.channel() as channel:
        channel.queue_delete(LAUNCH_QUEUE)
    stage.beat()
    yield


@fault("all connections closed", area=AREA, extra=POOL)
def connections_closed(stage: Stage) -> Iterator[None]:
    """An administrator closes all connections while workers execute runs."""
    stage.start_draining(24)
    stage.broker.close_connections(stage.vhost)
    stage.supervise_on_redis()
    yield


@fault("all connections closed again and again", area=AREA, extra=3 * POOL)
def connections_closed_often(stage: Stage) -> Iterator[None]:
    """The same three times, while the launcher sends messages and workers execute runs."""
    stage.start_launching(200)
    for _ in range(3):
        stage.broker.close_connections(stage.vhost)
        stage.sleep(1)
    stage.supervise_on_redis()
    yield


@fault("broker stops mid-drain for a while", area=AREA, extra=POOL)
def down_for_a_while(stage: Stage) -> Iterator[None]:
    """Kill -9 while workers execute runs; the broker is down for longer than the lease."""
    stage.start_draining()
    stage.broker.kill()
    stage.sleep(4)
    stage.restart_broker()
    yield


@fault("a job's own queue deleted", area=AREA, extra=POOL)
def own_deleted(stage: Stage) -> Iterator[None]:
    """The queue that a job names is deleted while its worker reads it; other jobs continue."""
    stage.add_tasks(12, "aside", seconds=0.25)
    aside = stage.worker("aside", queue=OWN_QUEUE)
    stage.wait_ready(aside)
    stage.start_draining(12)
    stage.wait(lambda: stage.count("job = 'aside' AND finished_at IS NOT NULL"), "a run aside")
    with stage.channel() as channel:
        channel.queue_delete(OWN_QUEUE)
    yield
    stage.expect(aside.alive(), "the job's worker ended")


@fault("a job's own queue refused", area=AREA, extra=POOL, broker="rabbitmq")
def own_refused(stage: Stage) -> Iterator[None]:
    """The queue has other arguments: other jobs' runs continue, its own wait until it is fixed."""
    stage.add_tasks(4, "aside", seconds=0.05)
    stage.load(8, seconds=0.05)
    stage.add_tasks(4, "aside", seconds=0.05)
    with stage.channel() as channel:
        channel.queue_declare(OWN_QUEUE, durable=True, arguments={"x-max-length": 7})
    stage.start_all()
    stage.wait(
        lambda: stage.count("job <> 'aside' AND finished_at IS NOT NULL") == 16,
        "the other jobs' runs to finish",
        seconds=60,
    )
    with stage.channel() as channel:
        channel.queue_delete(OWN_QUEUE)
    stage.wait_ready(stage.worker("aside", queue=OWN_QUEUE))
    yield
