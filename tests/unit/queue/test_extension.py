"""The task queue on Celery applications of hosts."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab
from kombu import Queue
from sqlalchemy import URL

from services.hosts import MEMORY, host_app
from services.servers.databases import dispose_engines
from taskadmin import ConfigurationError, Models, RegistrationError, TaskAdmin, TaskQueue
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


@pytest.mark.parametrize("celery", [Celery, "shop.celery", {"broker_url": "memory://"}])
def test_something_else_than_a_celery_application_is_refused(celery: Any) -> None:
    """At once, with the type that was passed."""
    app, db = host_app()
    with pytest.raises(RegistrationError) as refused:
        TaskAdmin().init_app(app, db=db, celery=celery)
    assert str(refused.value) == (
        f"celery is of type {type(celery).__name__}; expected your Celery application. For"
        ' settings of an own one, set app.config["CELERY"].'
    )


@pytest.mark.parametrize("settings", ["redis://:secret@cache", None, [("broker_url", "memory://")]])
def test_settings_that_are_no_dictionary_are_refused(settings: Any) -> None:
    """Without their value, which may be an address with a password."""
    app, db = host_app(CELERY=settings)
    with pytest.raises(ConfigurationError) as refused:
        TaskAdmin().init_app(app, db=db)
    assert str(refused.value) == (
        f"CELERY is of type {type(settings).__name__}; expected a dictionary of Celery's settings,"
        ' such as CELERY={"broker_url": "amqp://…"}.'
    )


def test_the_queue_alone(database_url: URL) -> None:
    """A worker process has no pages."""
    app, db = host_app(database_url)
    Models().init_app(app, db=db)
    TaskQueue().init_app(app)
    assert get_state(app).celery is not None
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]
    dispose_engines(app)
