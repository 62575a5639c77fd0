"""The task queue on Celery applications of hosts."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.schedules import crontab
from kombu import Queue
from sqlalchemy import URL

from services.hosts import MEMORY, host_app
from services.servers.databases import dispose_engines
from taskadmin import Models, TaskAdmin, TaskQueue
from taskadmin.state import get_state


def test_the_hosts_celery_keeps_its_settings() -> None:
    """Only beat entries are added; the host's entry of the same name wins."""
    app, db = host_app()
    celery: Any = Celery("shop", set_as_current=False)
    own = {
        "nightly": {"task": "shop.bill", "schedule": crontab(hour=3)},
        "taskadmin.launch_tasks": {"task": "taskadmin.launch_tasks", "schedule": 7.0},
    }
    celery.conf.update(**MEMORY, task_queues=[Queue("shop")], beat_schedule=own)
    TaskAdmin().init_app(app, db=db, celery=celery)
    assert {*celery.amqp.queues} == {"shop"}
    schedule = celery.conf.beat_schedule
    assert set(schedule) == {"nightly", "taskadmin.launch_tasks", "taskadmin.tick"}
    assert schedule["nightly"] == own["nightly"]
    assert schedule["taskadmin.launch_tasks"]["schedule"] == 7.0
    assert get_state(app).celery is celery


def test_a_host_without_queues_keeps_its_default_one() -> None:
    """The host's tasks without a queue still go to the queue that its worker reads."""
    app, db = host_app()
    celery = Celery("shop", set_as_current=False)
    celery.conf.update(**MEMORY)
    TaskAdmin().init_app(app, db=db, celery=celery)
    assert {*celery.amqp.queues} == {"celery"}


def test_the_queue_alone(database_url: URL) -> None:
    """A worker process has no pages."""
    app, db = host_app(database_url)
    Models().init_app(app, db=db)
    TaskQueue().init_app(app)
    assert get_state(app).celery is not None
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]
    dispose_engines(app)
