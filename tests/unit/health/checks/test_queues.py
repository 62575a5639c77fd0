"""The doctor's checks of the broker, its queues and Celery's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Connection
from redis import Redis
from sqlalchemy import URL

from fixture_types import MakeApp
from services.doctor import examined
from services.servers.databases import dispose_engines
from services.servers.redis_server import url_of
from taskadmin import Models
from taskadmin.health import Finding, Status
from taskadmin.models import Process, ProcessKind
from taskadmin.queue.celery_app.queues import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE


def celery(broker_url: str, **conf: Any) -> dict[str, Any]:
    return {"broker_url": broker_url, "result_backend": "disabled://", **conf}


@pytest.mark.databases("sqlite")
def test_without_a_task_queue_there_are_warnings_only_for_it(database_url: URL) -> None:
    """As in an application that only shows pages."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))

    found = examined(app)

    assert found["broker"].status == Status.WARNING
    assert found["broker"].fix is not None and "TaskQueue().init_app(app)" in found["broker"].fix
    assert found["queues"].found == "Not checked: this application has no task queue."
    assert found["settings"].found == "Not checked: this application has no task queue."
    dispose_engines(app)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("scheme", ["amqp", "redis"])
@pytest.mark.parametrize("kind", ["refuses", "never answers"])
def test_broker_that_is_away(
    make_app: MakeApp,
    free_port: int,
    silent_port: int,
    scheme: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With its address, without the password; queues are skipped, the ledger is checked."""
    monkeypatch.setattr("taskadmin.health.checks.queues._BROKER_TIMEOUT_SECONDS", 0.5)
    port = free_port if kind == "refuses" else silent_port
    app = make_app(CELERY=celery(f"{scheme}://guest:s3cret-word@127.0.0.1:{port}//"))

    found = examined(app)

    assert found["broker"].status == Status.PROBLEM
    assert found["broker"].found.startswith(
        f"The broker at {scheme}://guest:**@127.0.0.1:{port}// can't be reached (OperationalError: "
    )
    assert found["queues"].found == "Not checked: see broker."
    assert found["workers"].status == Status.PROBLEM
    assert "s3cret-word" not in str(found)


@pytest.mark.databases("sqlite")
def test_broker_that_takes_no_messages(rabbit_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a memory or disk alarm: connecting works, but nothing is confirmed."""

    def blocked(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("amqp.Channel.basic_publish_confirm", blocked)

    found = examined(rabbit_app)["broker"]

    assert found.status == Status.PROBLEM
    assert "doesn't confirm messages (TimeoutError)" in found.found
    assert found.fix == "Check for a memory or disk alarm: rabbitmq-diagnostics alarms"


@pytest.mark.databases("sqlite")
def test_other_brokers(app: Flask) -> None:
    """A warning; consumers are those that the database knows."""
    found = examined(app)

    assert found["broker"].status == Status.WARNING
    assert found["broker"].found == (
        f"{Connection('memory://').as_uri()} is neither RabbitMQ nor Redis, the brokers that"
        " taskadmin is tested with."
    )
    assert found["queues"].status == Status.PROBLEM
    assert found["queues"].found == "taskadmin.launch: no worker; taskadmin.runs: no worker."


@pytest.fixture
def redis_app(make_app: MakeApp, empty_redis: Redis) -> Flask:
    """An application whose broker is Redis."""
    return make_app(CELERY=celery(url_of(empty_redis)))


def shown(redis: Redis) -> str:
    """Return the URL as kombu shows it: releases differ if there is no password."""
    return str(Connection(url_of(redis)).as_uri())


@pytest.mark.databases("sqlite")
def test_redis_that_keeps_messages(redis_app: Flask, empty_redis: Redis) -> None:
    """With a log of changes it is as good as it gets; the checks leave nothing there."""
    empty_redis.config_set("appendonly", "yes")
    empty_redis.config_set("maxmemory", "100mb")

    found = examined(redis_app)

    assert found["broker"].status == Status.OK
    assert found["broker"].found.startswith(f"{shown(empty_redis)} responded after ")
    assert found["settings"].status == Status.OK
    assert not [key for key in empty_redis.keys("*") if "nowhere" in str(key)]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("settings", "status", "words", "fix"),
    [
        (
            {},
            Status.WARNING,
            (
                "loses messages in a crash (appendonly is off). taskadmin's"
                " runs are then sent again; your own Celery tasks are lost."
            ),
            "redis-cli CONFIG SET appendonly yes",
        ),
        (
            {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru", "appendonly": "yes"},
            Status.WARNING,
            "deletes queues when its memory is full (maxmemory-policy allkeys-lru).",
            "redis-cli CONFIG SET maxmemory-policy noeviction",
        ),
        (
            {"maxmemory": "1", "appendonly": "yes"},
            Status.PROBLEM,
            (
                "refuses messages (OutOfMemoryError: command not allowed when used memory >"
                " 'maxmemory'.)."
            ),
            "Raise its maxmemory, or connect to its primary: redis-cli INFO",
        ),
    ],
    ids=["no log", "eviction", "full"],
)
def test_redis_that_loses_or_refuses_messages(
    redis_app: Flask,
    empty_redis: Redis,
    settings: dict[str, str],
    status: Status,
    words: str,
    fix: str,
) -> None:
    """What it does, what that means for runs, and what to set."""
    for name, value in settings.items():
        empty_redis.config_set(name, value)

    found = examined(redis_app)["broker"]
    empty_redis.config_set("maxmemory", "0")

    assert (found.status, found.fix) == (status, fix)
    assert found.found.startswith(f"Redis at {shown(empty_redis)} {words}")


@pytest.mark.databases("sqlite")
def test_redis_whose_user_may_not_read_settings(redis_app: Flask, empty_redis: Redis) -> None:
    """As some providers restrict it: messages are accepted all the same."""
    empty_redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-info"])

    found = examined(redis_app)["broker"]

    assert found.status == Status.OK
    assert found.found.endswith("Its settings are unknown: its user may not run INFO.")


@pytest.mark.databases("sqlite")
def test_queues_at_redis(redis_app: Flask, add_process: Callable[..., Process]) -> None:
    """Redis knows no consumers: the database does, without silent workers."""
    add_process(ProcessKind.LAUNCHER, queues=LAUNCH_QUEUE)
    add_process(ProcessKind.WORKER, queues=RUNS_QUEUE, silent=600)

    found = examined(redis_app)["queues"]

    assert found.status == Status.PROBLEM
    assert found.found == "taskadmin.launch: 1 worker; taskadmin.runs: no worker."
    assert found.fix == "celery -A <your module> worker -Q taskadmin.runs"

    for _ in range(2):
        add_process(ProcessKind.WORKER, queues=RUNS_QUEUE)

    found = examined(redis_app)["queues"]

    assert found.status == Status.OK
    assert found.found == "taskadmin.launch: 1 worker; taskadmin.runs: 2 workers."


@pytest.mark.databases("sqlite")
def test_nothing_is_left_at_the_broker(rabbit_app: Flask, broker_url: str) -> None:
    """The checks create no queue and leave no message."""
    examined(rabbit_app)

    with Connection(broker_url) as connection:
        for name in (LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE, "taskadmin.nowhere"):
            channel = connection.channel()
            with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
                channel.queue_declare(name, passive=True)


@pytest.mark.databases("sqlite")
def test_queues_without_consumers(rabbit_app: Flask, queues: Any) -> None:
    """Each is named, with its number of messages."""
    queues.basic_consume(LAUNCH_QUEUE)
    for _ in range(2):
        queues.basic_publish(
            queues.prepare_message(b"x"), exchange=RUNS_QUEUE, routing_key=RUNS_QUEUE
        )

    found = _until(lambda: examined(rabbit_app)["queues"], lambda seen: "2 messages" in seen.found)

    assert found.status == Status.PROBLEM
    assert found.found == (
        "taskadmin.launch: 1 consumer, 0 messages waiting;"
        " taskadmin.runs: no consumer, 2 messages waiting."
    )
    assert found.fix == "celery -A <your module> worker -Q taskadmin.runs"


@pytest.mark.databases("sqlite")
def test_dead_messages(all_well: Flask, queues: Any) -> None:
    """They are a warning."""
    queues.basic_publish(queues.prepare_message(b"x"), exchange="", routing_key=DEAD_QUEUE)

    found = _until(lambda: examined(all_well)["queues"], lambda seen: seen.status == Status.WARNING)

    assert found.found.endswith("taskadmin.dead: 1 message that no worker could process.")
    assert found.fix is not None and found.fix.endswith("purge_queue taskadmin.dead")


def _until(look: Callable[[], Finding], fits: Callable[[Finding], bool]) -> Finding:
    """Wait, since quorum queues update their counts with a delay."""
    for _ in range(50):
        found = look()
        if fits(found):
            return found
    raise AssertionError(found)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("conf", "status", "fix"),
    [
        ({}, Status.OK, None),
        ({"task_always_eager": True}, Status.PROBLEM, "Set task_always_eager to False."),
        ({"task_serializer": "pickle"}, Status.OK, None),
        ({"accept_content": ["pickle"]}, Status.PROBLEM, "Add 'json' to accept_content."),
        (
            {"worker_prefetch_multiplier": 0},
            Status.WARNING,
            "Set worker_prefetch_multiplier to 1.",
        ),
        (
            {"broker_transport_options": {"confirm_publish": False}},
            Status.WARNING,
            'Add "confirm_publish": True to broker_transport_options.',
        ),
    ],
)
def test_settings_that_take_something_away(
    make_app: MakeApp, free_port: int, conf: dict[str, Any], status: Status, fix: str | None
) -> None:
    """Only settings that weaken guarantees."""
    app = make_app(CELERY=celery(f"amqp://127.0.0.1:{free_port}//", **conf))

    found = examined(app)["settings"]

    assert (found.status, found.fix) == (status, fix)


@pytest.mark.databases("sqlite")
def test_settings_of_a_host_with_celery_of_its_own(database_url: URL, free_port: int) -> None:
    """Of Celery's defaults, only the missing confirms."""
    from taskadmin import TaskAdmin

    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    own = Celery("shop", broker=f"amqp://127.0.0.1:{free_port}//", set_as_current=False)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), celery=own)

    found = examined(app)["settings"]

    assert found.status == Status.WARNING
    assert found.fix == 'Add "confirm_publish": True to broker_transport_options.'
    dispose_engines(app)
