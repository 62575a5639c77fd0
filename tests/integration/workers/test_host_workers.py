"""Workers of a host's own Celery application: as without taskadmin, unless they read its queues."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from redis import Redis
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from services.servers.rabbitmq import rabbitmq_server
from services.servers.redis_server import url_of
from services.servers.shop import make_shop
from taskadmin.models import Process, RunState
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")

#: Longer than it takes to execute a task that is due at once, in seconds.
COUNTDOWN = 3.0
#: Settings that taskadmin adds to, that have no order, and that differ by test.
NOT_COMPARED = {"beat_schedule", "include", "broker_url"}


@pytest.fixture
def broker() -> Iterator[str]:
    """A virtual host with no queue."""
    with rabbitmq_server() as url:
        yield url


@pytest.fixture
def start_shop(tmp_path: Path) -> Iterator[Callable[..., tuple[Any, CeleryProcesses]]]:
    """Create the shop in this process, and a starter of its workers."""
    started: list[CeleryProcesses] = []

    def start(folder: str, **config: Any) -> tuple[Any, CeleryProcesses]:
        (tmp_path / folder).mkdir()
        application = "services.servers.shop:celery"
        started.append(CeleryProcesses(tmp_path / folder, config, application))
        return make_shop(config), started[-1]

    yield start
    for processes in started:
        processes.stop()


def queues_at(broker: str) -> set[str]:
    """Return the queues at the broker, without those for replies."""
    host = unquote(urlsplit(broker).path[1:])
    listed = subprocess.run(
        ["rabbitmqctl", "-q", "list_queues", "-p", host, "name"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {*listed.stdout.split()} - {"name"}
    return {one for one in names if not one.endswith(".pidbox") and len(one) != 36} - {
        one for one in names if one.startswith("celeryev.")
    }


def keys_at(redis: Redis) -> set[str]:
    """Return the keys of Redis, without those for replies and for messages that workers hold."""
    names = {str(key) for key in redis.keys("*")}
    return {one for one in names if not one.startswith("unacked") and len(one) != 36} - {
        "_kombu.binding.reply.celery.pidbox"
    }


def observe(shop: Any, processes: CeleryProcesses, marks: Path) -> dict[str, Any]:
    """Let a worker of the shop run tasks of each kind, and return what it does."""
    note, seldom = shop.tasks["shop.note"], shop.tasks["shop.seldom"]
    for priority in (1, 5, 9):
        note.apply_async([str(marks), f"parcel {priority}"], queue="parcels", priority=priority)
    processes.worker("own", None, "-c", "1")

    def lines() -> list[str]:
        return marks.read_text().splitlines() if marks.exists() else []

    wait_for(lambda: len(lines()) == 3, what="the parcels")
    begun = time.monotonic()
    for number in range(8):
        note.apply_async([str(marks), f"later {number}"], countdown=COUNTDOWN)
    seldom.delay(str(marks), "seldom")
    seldom.delay(str(marks), "too seldom for this test")
    note.delay(str(marks), "now")
    wait_for(lambda: len(lines()) == 13, what="the tasks")
    assert time.monotonic() - begun >= COUNTDOWN
    inspect = shop.control.inspect(timeout=5, limit=1)
    [stats], [conf], [active] = (
        [*answer.values()] for answer in (inspect.stats(), inspect.conf(), inspect.active_queues())
    )
    return {
        "order": [line for line in lines() if not line.startswith("later")],
        "later": sorted(line for line in lines() if line.startswith("later")),
        "prefetch": stats["prefetch_count"],
        "conf": {name: value for name, value in conf.items() if name not in NOT_COMPARED},
        "queues": {queue["name"] for queue in active},
        "log": [
            part
            for part in ("Global QoS is disabled", "native delayed delivery")
            if part in processes.text("own")
        ],
    }


def test_a_hosts_own_worker_is_the_same_with_taskadmin(
    start_shop: Callable[..., tuple[Any, CeleryProcesses]],
    database_url: URL,
    session: Session,
    tmp_path: Path,
) -> None:
    """Countdowns, rate limits, priorities, prefetch, settings, and the queues at the broker."""
    database = {"SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False)}
    seen = {}
    for which, config in {"without": {}, "with": {**database, "SECRET_KEY": "for tests"}}.items():
        with rabbitmq_server() as broker:
            shop, processes = start_shop(which, BROKER=broker, **config)
            seen[which] = observe(shop, processes, tmp_path / f"marks-{which}")
            seen[which]["at broker"] = queues_at(broker)
            processes.stop()

    assert seen["with"] == seen["without"]
    assert seen["with"]["order"] == ["parcel 9", "parcel 5", "parcel 1", "seldom", "now"]
    assert seen["with"]["later"] == [f"later {number}" for number in range(8)]
    assert seen["with"]["at broker"] == {"celery", "parcels"}
    assert session.scalars(select(Process)).all() == []


def test_it_is_the_same_on_redis(
    start_shop: Callable[..., tuple[Any, CeleryProcesses]],
    database_url: URL,
    empty_redis: Redis,
    tmp_path: Path,
) -> None:
    """There, a lower number is a higher priority."""
    database = {"SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False)}
    seen = {}
    for which, config in {"without": {}, "with": {**database, "SECRET_KEY": "for tests"}}.items():
        empty_redis.flushall()
        shop, processes = start_shop(which, BROKER=url_of(empty_redis), **config)
        seen[which] = observe(shop, processes, tmp_path / f"marks-{which}")
        seen[which]["at broker"] = keys_at(empty_redis)
        processes.stop()

    assert seen["with"] == seen["without"]
    assert seen["with"]["order"] == ["parcel 1", "parcel 5", "parcel 9", "seldom", "now"]
    assert seen["with"]["later"] == [f"later {number}" for number in range(8)]
    assert not [key for key in seen["with"]["at broker"] if "taskadmin" in key]


def test_a_worker_that_selects_our_queues_runs_jobs(
    start_shop: Callable[..., tuple[Any, CeleryProcesses]],
    broker: str,
    database_url: URL,
    session: Session,
    make_task: MakeTask,
) -> None:
    """Also where the host switched off what quorum queues need, and forbids unknown queues."""
    shop, processes = start_shop(
        "shop",
        BROKER=broker,
        SECRET_KEY="for tests",
        SQLALCHEMY_DATABASE_URI=database_url.render_as_string(hide_password=False),
    )
    processes.worker("runs", RUNS_QUEUE, "-c", "1")

    run_id = runs.queue(session, make_task().id)
    runs.send(shop, run_id)

    runs.wait_until(session, run_id, RunState.SUCCEEDED)
    [reads] = shop.control.inspect(timeout=5, limit=1).active_queues().values()
    assert [queue["name"] for queue in reads] == [RUNS_QUEUE]
    assert {LAUNCH_QUEUE, RUNS_QUEUE} <= queues_at(broker)
