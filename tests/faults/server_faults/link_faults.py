"""Half-open, slow and reset connections, through a proxy between a process and its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..catalogue import fault
from ..devices.proxy import Proxy
from ..stages.stage import Stage

AREA = "link"
POOL = 2


def _worker_behind(stage: Stage, proxied: Callable[[], Proxy]) -> Proxy:
    """Connect only the worker through the proxy; return in the middle of its work."""
    stage.load(24)
    stage.beat()
    launcher = stage.launcher()
    proxy = proxied()
    worker = stage.worker()
    stage.wait_ready(launcher, worker)
    stage.wait_mid_drain()
    return proxy


@fault("half-open link worker–broker", area=AREA, extra=POOL)
def half_open_worker(stage: Stage) -> Iterator[None]:
    """The worker's connection freezes without being closed."""
    proxy = _worker_behind(stage, stage.proxy_broker)
    proxy.half_open()
    yield


@fault("half-open link launcher–broker", area=AREA, settings={"TASKADMIN_PAGE_SIZE": 50})
def half_open_launcher(stage: Stage) -> Iterator[None]:
    """The launcher's connections freeze while it sends messages."""
    stage.add_tasks(600, "quick")
    stage.beat()
    worker = stage.worker()
    proxy = stage.proxy_broker()
    launcher = stage.launcher()
    stage.wait_ready(launcher, worker)
    stage.wait(lambda: stage.count() >= 50, "the first page")
    proxy.half_open()
    yield


@fault("half-open link beat–broker", area=AREA)
def half_open_beat(stage: Stage) -> Iterator[None]:
    """Beat's connection freezes before the first launch."""
    stage.load(8, seconds=0.1)
    proxy = stage.proxy_broker()
    beat = stage.beat()
    stage.wait(lambda: proxy.links() > 0 and "Sending due task" in beat.text(), "beat's first tick")
    proxy.half_open()
    stage.broker_port = None
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    # A tick sent before the link broke would launch the slot.
    stage.launches = 1
    yield


@fault(
    "slow link to the broker",
    area=AREA,
    extra=POOL,
    # The suite's heartbeat of 2 s is too short for a launcher that is busy sending.
    settings={"CELERY": {"broker_heartbeat": 10}},
)
def slow_broker(stage: Stage) -> Iterator[None]:
    """All data is delayed by 20 ms, in both directions, for all processes."""
    stage.load(12, seconds=0.1)
    proxy = stage.proxy_broker()
    launcher, worker = stage.launcher(), stage.worker()
    stage.wait_ready(launcher, worker)
    proxy.slow(0.02)
    stage.beat()
    stage.wait_mid_drain(2)
    yield


def _resets(stage: Stage, proxy: Proxy) -> Iterator[None]:
    stage.start_launching(100)
    for _ in range(5):
        proxy.reset()
        stage.sleep(0.7)
    yield


@fault("broker links reset again and again", area=AREA, extra=5 * POOL)
def broker_resets(stage: Stage) -> Iterator[None]:
    """All connections to the broker are reset five times."""
    yield from _resets(stage, stage.proxy_broker())


@fault("half-open link worker–database", area=AREA, extra=POOL)
def half_open_database(stage: Stage) -> Iterator[None]:
    """The worker's sessions freeze for 5 s; then they are reset."""
    proxy = _worker_behind(stage, stage.proxy_database)
    proxy.half_open()
    stage.sleep(5)
    proxy.reset(frozen_only=True)
    yield


@fault("slow link to the database", area=AREA)
def slow_database(stage: Stage) -> Iterator[None]:
    """All data is delayed by 20 ms, in both directions, for all processes."""
    stage.load(12, seconds=0.1)
    proxy = stage.proxy_database()
    proxy.slow(0.02)
    stage.start_all()
    stage.wait_mid_drain(2)
    yield


@fault("database links reset again and again", area=AREA, extra=5 * POOL)
def database_resets(stage: Stage) -> Iterator[None]:
    """All sessions are reset five times."""
    yield from _resets(stage, stage.proxy_database())
