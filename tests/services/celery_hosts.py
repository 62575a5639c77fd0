"""Celery applications of hosts, and messages that taskadmin sends through them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.beat import Scheduler
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu.transport import memory

from taskadmin import Models, TaskQueue
from taskadmin.queue import RUNS_QUEUE
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.store.runs.results import UnsentRun

#: A queue of a job that this process doesn't know.
FOREIGN = "taskadmin.test-foreign"


def do_nothing(*_: Any, **__: Any) -> None:
    """A task of the host."""


def make_celery(*, late: dict[str, Any] | None = None, **settings: Any) -> Celery:
    """Create a host's Celery application with taskadmin; *late* settings are set afterwards."""
    app = Flask("host")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", SECRET_KEY="not a secret")
    Models().init_app(app, db=SQLAlchemy(app))
    celery = Celery("host", set_as_current=False)
    celery.conf.update({"broker_url": "memory://", "result_backend": "rpc://", **settings})
    TaskQueue().init_app(app, celery=celery)
    if late:
        assert celery.conf.beat_schedule  # loads the configuration
        celery.conf.update(late)
    return celery


def sent_by(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a message of each kind that taskadmin sends: a run, a tick and a ping."""
    sent: list[Any] = []

    def publish(_: Any, message: Any, exchange: str, routing_key: str, **more: Any) -> None:
        if "task" in message["headers"]:  # the others are events
            sent.append((exchange, routing_key, comparable(message)))

    monkeypatch.setattr(memory.Channel, "basic_publish", publish)
    producer = celery.amqp.Producer(celery.connection_for_write(), auto_declare=False)
    runs = [
        UnsentRun(id=number, due_at=datetime(2026, 1, 1, tzinfo=UTC), job=job, queue=queue)
        for number, job, queue in (
            (1, "generate_random_number", RUNS_QUEUE),
            (2, "of somebody else", FOREIGN),
        )
    ]
    with Publisher(celery, timeout_seconds=1) as publisher:
        assert publisher.send(runs) == 2
        publisher.start([*runs, runs[0]], {"generate_random_number": 10})
        assert publisher.finish() == 3
        assert publisher.refused == {}
        publisher.send_tick()
    beat = Scheduler(celery)
    for entry in sorted(beat.schedule.values(), key=lambda entry: str(entry.name)):
        if entry.task.startswith("taskadmin."):
            beat.apply_async(entry, producer=producer, advance=False)
    celery.tasks["taskadmin.ping"].apply_async(
        queue=RUNS_QUEUE, ignore_result=False, retry=False, producer=producer
    )
    return sent


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without parts that always differ."""
    headers, properties = {**message["headers"]}, {**message["properties"]}
    for name in ("id", "root_id"):
        assert headers.pop(name)
    for name in ("correlation_id", "delivery_tag", "reply_to"):
        properties.pop(name, None)
    return {**message, "headers": headers, "properties": properties}


def make_app(name: str = "host", **config: Any) -> Flask:
    """Create a host with an unused database."""
    app = Flask(name)
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", SECRET_KEY="not a secret", **config)
    Models().init_app(app, db=SQLAlchemy(app))
    return app


def own_celery(**config: Any) -> Celery:
    """Return the Celery application that taskadmin creates for a host without one."""
    app = make_app(**config)
    TaskQueue().init_app(app)
    celery: Celery = app.extensions["taskadmin"].celery
    return celery


def host_celery(**settings: Any) -> Celery:
    """Return a host's Celery application after taskadmin's initialization."""
    celery = Celery("host", set_as_current=False, **settings)
    TaskQueue().init_app(make_app(), celery=celery)
    return celery
