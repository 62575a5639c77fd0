"""Parts that are restarted every few seconds, and kills of everything at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

from ..catalogue import fault
from ..stages.roles import Role
from ..stages.stage import Stage
from ..stages.web import Web

AREA = "restart"
POOL = 2
TIMES = 5
SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 4}


def _again(role: Role) -> None:
    """Restart a process as a supervisor does: terminate it, kill it after 5 s, start it."""
    role.send(signal.SIGTERM)
    if role.wait(5) is None:
        role.send_group(signal.SIGKILL)
    role.start()


def _broker(stage: Stage) -> None:
    stage.broker.kill()
    stage.broker.start()


def _database(stage: Stage) -> None:
    stage.postgresql.stop(signal.SIGINT)
    stage.postgresql.start()


def _role(name: str) -> Callable[[Stage], None]:
    return lambda stage: _again(stage.role(name))


#: How each part is restarted, in the order of a rolling restart.
PARTS: dict[str, Callable[[Stage], None]] = {
    "database": _database,
    "broker": _broker,
    "web": _role("web"),
    "launcher": _role("launcher"),
    "beat": _role("beat"),
    "worker": _role("worker"),
}


def _begin(stage: Stage) -> Web:
    """Start everything, with a user who keeps starting tasks, and wait for the first launch."""
    stage.add_tasks(4, "quick")
    stage.add_tasks(4, "steady", seconds=0.3)
    web = Web(stage)
    stage.start_all()
    stage.wait_slots(1)
    web.press_all_the_time(stage.value("SELECT min(id) FROM taskadmin_task"))
    return web


def _restarted(stage: Stage, name: str) -> Iterator[None]:
    web = _begin(stage)
    for _ in range(TIMES):
        stage.sleep(stage.random.uniform(1.0, 3.0))
        PARTS[name](stage)
    stage.ended()
    stage.wait_slots(2)
    web.judge()
    yield


def _add(name: str) -> None:
    def restarted(stage: Stage) -> Iterator[None]:
        yield from _restarted(stage, name)

    restarted.__doc__ = f"Restart {name} five times; every run started meanwhile is executed."
    # Runs in progress when the broker's or the worker's connection ends are executed again.
    fault(
        f"{name} restarted every few seconds",
        area=AREA,
        settings=SLOTS,
        extra=TIMES * POOL,
        deadline_seconds=90,
    )(restarted)


@fault("everything killed at once, servers included", area=AREA, extra=POOL)
def everything(stage: Stage) -> Iterator[None]:
    """Kill -9 of beat, launcher, worker, broker and database, then a start of all."""
    everyone = stage.start_draining()
    stage.postgresql.kill()
    stage.broker.kill()
    for role in everyone:
        role.send_group(signal.SIGKILL)
    stage.postgresql.start()
    stage.broker.start()
    for role in everyone:
        role.start()
    yield


@fault(
    "everything killed in a launch, servers included",
    area=AREA,
    extra=POOL,
    settings={"TASKADMIN_PAGE_SIZE": 50},
    deadline_seconds=120,
)
def everything_in_a_launch(stage: Stage) -> Iterator[None]:
    """The same during a launch; processes start before the servers."""
    stage.add_tasks(500, "quick")
    everyone = stage.start_all()
    stage.wait_launch_under_way(100)
    stage.broker.kill()
    stage.postgresql.kill()
    for role in everyone:
        role.send_group(signal.SIGKILL)
    for role in everyone:
        role.start()
    stage.sleep(1)
    stage.postgresql.start()
    stage.expect_launch_open()
    stage.broker.start()
    yield


for _name in PARTS:
    _add(_name)


@fault("rolling restart", area=AREA, settings=SLOTS, extra=4 * POOL, deadline_seconds=90, long=True)
def rolling(stage: Stage) -> Iterator[None]:
    """Database, broker, web, launcher, beat and worker are restarted in turn, twice."""
    web = _begin(stage)
    for _ in range(2):
        for restart in PARTS.values():
            stage.sleep(stage.random.uniform(0.5, 1.5))
            restart(stage)
    stage.ended()
    stage.wait_slots(2)
    web.judge()
    yield
