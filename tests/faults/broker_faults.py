"""A broker that dies, is full, or loses its queues."""

from __future__ import annotations

from collections.abc import Iterator

from .catalogue import fault
from .host import OWN_QUEUE
from .stage import LAUNCH_QUEUE, RUNS_QUEUE, Stage

AREA = "broker"
#: Jobs under way when the connection breaks: Celery ends them, because their message comes back.
POOL = 2


@fault("broker killed mid-publish", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def killed_mid_publish(stage: Stage) -> Iterator[None]:
    """Kill -9 while the launcher sends, then a restart."""
    stage.add_tasks(900, "quick")
    stage.start_all()
    stage.wait_launch_under_way(100)
    stage.rabbitmq.kill()
    stage.expect_launch_open()
    stage.rabbitmq.start()
    yield


@fault("broker killed mid-drain", area=AREA, extra=POOL)
def killed_mid_drain(stage: Stage) -> Iterator[None]:
    """Kill -9 while workers work, then a restart."""
    stage.start_draining()
    stage.rabbitmq.kill()
    stage.rabbitmq.start()
    yield


@fault("broker down at the tick", area=AREA)
def down_at_the_tick(stage: Stage) -> Iterator[None]:
    """Beat, launcher and worker start without a broker, which comes later."""
    stage.load(8, seconds=0.1)
    stage.rabbitmq.kill()
    stage.beat()
    stage.launcher()
    stage.worker()
    stage.sleep(4)
    stage.rabbitmq.start()
    yield


@fault("memory alarm", area=AREA, extra=POOL)
def memory_alarm(stage: Stage) -> Iterator[None]:
    """The broker blocks everyone who publishes, before the launch and until 5 s later."""
    stage.load(16, seconds=0.1)
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    stage.on_close(stage.rabbitmq.end_memory_alarm)
    stage.rabbitmq.memory_alarm()
    stage.beat()
    stage.sleep(5)
    stage.rabbitmq.end_memory_alarm()
    yield


@fault("memory alarm mid-publish", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def memory_alarm_mid_publish(stage: Stage) -> Iterator[None]:
    """The broker blocks the launcher while it sends, for 5 s."""
    stage.add_tasks(900, "quick")
    stage.on_close(stage.rabbitmq.end_memory_alarm)
    stage.start_all()
    stage.wait(lambda: stage.count() >= 50, "the first page", seconds=45)
    stage.rabbitmq.memory_alarm()
    stage.sleep(5)
    stage.rabbitmq.end_memory_alarm()
    yield


@fault("runs queue purged", area=AREA)
def purged(stage: Stage) -> Iterator[None]:
    """All messages of a launch vanish before a worker is there."""
    stage.load(16, seconds=0.1)
    stage.launcher()
    stage.beat()
    stage.wait_runs(45)
    with stage.broker() as channel:
        gone = channel.queue_purge(RUNS_QUEUE)
    stage.expect_in_time(gone, "there was no message to lose")
    stage.worker()
    yield


@fault("runs queue purged mid-drain", area=AREA)
def purged_mid_drain(stage: Stage) -> Iterator[None]:
    """The messages that wait vanish under a worker."""
    stage.start_draining(24)
    with stage.broker() as channel:
        channel.queue_purge(RUNS_QUEUE)
    yield


@fault("runs queue deleted", area=AREA, extra=POOL)
def runs_deleted(stage: Stage) -> Iterator[None]:
    """The queue goes with its messages, under a worker."""
    stage.start_draining(24)
    with stage.broker() as channel:
        channel.queue_delete(RUNS_QUEUE)
    yield


@fault("launch queue deleted", area=AREA)
def launch_deleted(stage: Stage) -> Iterator[None]:
    """The queue of ticks goes under a launcher, before the slot is launched."""
    stage.load(16, seconds=0.1)
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    # In the first tenth of a second of its loop Celery drops what the broker says of that.
    stage.sleep(1)
    with stage.broker() as channel:
        channel.queue_delete(LAUNCH_QUEUE)
    stage.beat()
    yield


@fault("all connections closed", area=AREA, extra=POOL)
def connections_closed(stage: Stage) -> Iterator[None]:
    """An administrator closes every connection while workers work."""
    stage.start_draining(24)
    stage.rabbitmq.close_connections(stage.vhost)
    yield


@fault("all connections closed again and again", area=AREA, extra=3 * POOL)
def connections_closed_often(stage: Stage) -> Iterator[None]:
    """The same three times while the launcher sends and workers work."""
    stage.add_tasks(200, "quick")
    stage.load(16)
    stage.start_all()
    stage.wait(lambda: stage.count() > 0, "the first runs")
    for _ in range(3):
        stage.rabbitmq.close_connections(stage.vhost)
        stage.sleep(1)
    yield


@fault("broker stops mid-drain for a while", area=AREA, extra=POOL)
def down_for_a_while(stage: Stage) -> Iterator[None]:
    """Kill -9 while workers work; it stays away for longer than the lease."""
    stage.start_draining()
    stage.rabbitmq.kill()
    stage.sleep(4)
    stage.rabbitmq.start()
    yield


@fault("a job's own queue deleted", area=AREA, extra=POOL)
def own_deleted(stage: Stage) -> Iterator[None]:
    """The queue that a job names goes under its worker; other jobs go on."""
    stage.add_tasks(12, "aside", seconds=0.25)
    aside = stage.worker("aside", queue=OWN_QUEUE)
    stage.wait_ready(aside)
    stage.start_draining(12)
    stage.wait(lambda: stage.count("job = 'aside' AND finished_at IS NOT NULL"), "a run aside")
    with stage.broker() as channel:
        channel.queue_delete(OWN_QUEUE)
    yield
    stage.expect(aside.alive(), "the job's worker ended")


@fault("a job's own queue refused", area=AREA, extra=POOL)
def own_refused(stage: Stage) -> Iterator[None]:
    """It exists with other arguments: other jobs' runs go on, its own wait until it is mended."""
    stage.add_tasks(4, "aside", seconds=0.05)
    stage.load(8, seconds=0.05)
    stage.add_tasks(4, "aside", seconds=0.05)
    with stage.broker() as channel:
        channel.queue_declare(OWN_QUEUE, durable=True, arguments={"x-max-length": 7})
    stage.start_all()
    stage.wait(
        lambda: stage.count("job <> 'aside' AND finished_at IS NOT NULL") == 16,
        "the end of the other jobs' runs",
        seconds=60,
    )
    with stage.broker() as channel:
        channel.queue_delete(OWN_QUEUE)
    stage.wait_ready(stage.worker("aside", queue=OWN_QUEUE))
    yield
