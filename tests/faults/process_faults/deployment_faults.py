"""Two stacks on one database, and PgBouncer."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

from ..catalogue import fault
from ..devices.pgbouncer import PgBouncer
from ..mode import current_mode
from ..stages.processes import SETTINGS
from ..stages.roles import Role
from ..stages.stage import Stage

AREA = "deployment"
POOL = 2
SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 4}


def _load(stage: Stage) -> None:
    stage.add_tasks(6, "quick", seconds=0.05)
    stage.add_tasks(6, "steady", seconds=0.1)


# Two stacks


def _second_stack(stage: Stage) -> list[Role]:
    """Start beat, launcher and worker with another virtual host and the same database."""
    vhost = stage.broker.create()
    stage.on_close(lambda: stage.broker.drop(vhost))
    config = json.dumps(stage.config(broker_url=stage.broker.url(vhost)))
    return [
        stage.launcher("launcher2", FAULTS_HOST_CONFIG=config),
        stage.worker("worker2", FAULTS_HOST_CONFIG=config),
        stage.beat("beat2", FAULTS_HOST_CONFIG=config),
    ]


@fault("two stacks on one database", area=AREA, settings=SLOTS)
def two_stacks(stage: Stage) -> Iterator[None]:
    """Each has its own broker: a slot is launched by one of them, a run recorded once."""
    _load(stage)
    second = _second_stack(stage)
    stage.start_all()
    stage.wait_ready(*second[:2])
    stage.ended()
    stage.wait_slots(3)
    yield


@fault("one of two stacks on one database killed", area=AREA, settings=SLOTS, extra=POOL)
def one_of_two_stacks(stage: Stage) -> Iterator[None]:
    """Kill -9 of all processes of a stack; the other one executes its runs."""
    _load(stage)
    second = _second_stack(stage)
    stage.start_all()
    stage.wait_ready(*second[:2])
    stage.wait_slots(1)
    for role in second:
        role.send_group(signal.SIGKILL)
    stage.ended()
    stage.wait_slots(2)
    yield


# PgBouncer

#: Engine options of the documentation: no prepared statements, since sessions are shared.
UNPREPARED = {
    "SQLALCHEMY_ENGINE_OPTIONS": {
        **SETTINGS["SQLALCHEMY_ENGINE_OPTIONS"],
        "connect_args": {"connect_timeout": 3, "prepare_threshold": None},
    }
}


def _behind_pgbouncer(stage: Stage) -> PgBouncer:
    """Connect all processes that are started from now on through PgBouncer."""
    bouncer = PgBouncer(stage.folder, stage.postgresql.port)
    stage.on_close(bouncer.kill)
    stage.database_port = bouncer.port
    return bouncer


def _works(stage: Stage) -> Iterator[None]:
    _behind_pgbouncer(stage)
    stage.add_tasks(30, "quick")
    _load(stage)
    stage.start_all()
    stage.ended()
    stage.wait_slots(3)
    yield


@fault("behind PgBouncer", area=AREA, settings={**SLOTS, **UNPREPARED})
def pgbouncer(stage: Stage) -> Iterator[None]:
    """Transaction pooling with the documented engine options."""
    yield from _works(stage)


@fault("behind PgBouncer with prepared statements", area=AREA, settings=SLOTS)
def prepared(stage: Stage) -> Iterator[None]:
    """Transaction pooling without these options: statements collide, but nothing is lost."""
    # A run whose statement fails may already have been executed.
    stage.extra = 40 * current_mode().per_message
    yield from _works(stage)


@fault(
    "PgBouncer killed again and again", area=AREA, settings={**SLOTS, **UNPREPARED}, extra=3 * POOL
)
def pgbouncer_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 and a start, three times, while the database keeps running."""
    bouncer = _behind_pgbouncer(stage)
    stage.load(8)
    stage.start_all()
    stage.wait_slots(1)
    for _ in range(3):
        stage.sleep(stage.random.uniform(0.5, 2.0))
        bouncer.kill()
        bouncer.start()
    stage.ended()
    stage.wait_slots(2)
    yield
