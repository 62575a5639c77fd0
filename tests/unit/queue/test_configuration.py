"""What taskadmin adds to a Celery application, its own or the host's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Queue

from taskadmin import Models, RegistrationError, TaskQueue
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.context import flask_app_of
from taskadmin.queue.names import consumed_queues, dead_queue


def make_app(name: str = "host", **config: Any) -> Flask:
    """A host with a database that nothing connects to."""
    app = Flask(name)
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", SECRET_KEY="not a secret", **config)
    Models().init_app(app, db=SQLAlchemy(app))
    return app


def own_celery(**config: Any) -> Celery:
    """The Celery application that taskadmin makes for a host without one."""
    app = make_app(**config)
    TaskQueue().init_app(app)
    celery: Celery = app.extensions["taskadmin"].celery
    return celery


def host_celery(**settings: Any) -> Celery:
    """A host's Celery application after taskadmin was initialised with it."""
    celery = Celery("host", set_as_current=False, **settings)
    TaskQueue().init_app(make_app(), celery=celery)
    return celery


def test_queues_are_quorum_queues_with_a_delivery_limit() -> None:
    """Both queues that workers read count deliveries; their arguments can never change."""
    arguments = {queue.name: queue.queue_arguments for queue in consumed_queues()}

    assert arguments == {
        LAUNCH_QUEUE: {"x-queue-type": "quorum", "x-delivery-limit": 20},
        RUNS_QUEUE: {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_QUEUE,
        },
    }
    assert dead_queue().queue_arguments == {"x-queue-type": "quorum"}


def test_workers_do_not_read_the_dead_queue() -> None:
    """A worker without -Q must not run what was put aside."""
    assert DEAD_QUEUE not in own_celery().amqp.queues


def test_own_celery_takes_the_hosts_settings_over_its_defaults() -> None:
    """``app.config["CELERY"]`` wins; publisher confirms stay unless it switches them off."""
    celery = own_celery(
        CELERY={
            "broker_url": "amqp://broker//",
            "worker_prefetch_multiplier": 7,
            "broker_transport_options": {"read_timeout": 3},
        }
    )

    assert celery.conf.broker_url == "amqp://broker//"
    assert celery.conf.worker_prefetch_multiplier == 7
    assert celery.conf.task_acks_late is True
    assert celery.conf.broker_transport_options == {
        "confirm_publish": True,
        "read_timeout": 3,
        "write_timeout": 10,
    }


def test_beat_sends_the_launcher_every_interval_and_the_tick_in_between() -> None:
    """The two entries carry the configured intervals."""
    schedule = own_celery(
        TASKADMIN_LAUNCH_INTERVAL_SECONDS=300, TASKADMIN_TICK_SECONDS=5
    ).conf.beat_schedule

    assert schedule["taskadmin.launch_tasks"]["schedule"] == timedelta(seconds=300)
    assert schedule["taskadmin.tick"]["schedule"] == timedelta(seconds=5)
    assert {entry["options"]["queue"] for entry in schedule.values()} == {LAUNCH_QUEUE}
    assert {entry["options"]["ignore_result"] for entry in schedule.values()} == {True}


def test_a_hosts_beat_entries_stay_and_win() -> None:
    """An entry of the host under one of our names replaces ours."""
    mine = {"task": "host.mine", "schedule": 60.0}
    slower = {"task": "taskadmin.tick", "schedule": 30.0, "options": {"queue": LAUNCH_QUEUE}}

    schedule = host_celery(
        beat_schedule={"mine": mine, "taskadmin.tick": slower}
    ).conf.beat_schedule

    assert schedule["mine"] == mine
    assert schedule["taskadmin.tick"] == slower
    assert schedule["taskadmin.launch_tasks"]["task"] == "taskadmin.launch_tasks"


def test_a_host_without_queues_keeps_its_default_queue() -> None:
    """A plain ``celery worker`` of the host still reads the queue that its tasks go to."""
    queues = host_celery(task_default_queue="orders").amqp.queues

    assert set(queues) == {"orders", LAUNCH_QUEUE, RUNS_QUEUE}
    assert queues["orders"].routing_key == "orders"


def test_a_hosts_queues_stay() -> None:
    """Queues that the host declared are kept, ours come after them."""
    queues = host_celery(task_queues=[Queue("mail"), Queue("reports")]).amqp.queues

    assert set(queues) == {"mail", "reports", LAUNCH_QUEUE, RUNS_QUEUE}


def test_a_hosts_configuration_is_not_loaded_by_init_app() -> None:
    """A host may set its Celery application up after taskadmin's ``init_app``."""
    celery = Celery("late", set_as_current=False)
    TaskQueue().init_app(make_app(), celery=celery)
    assert not celery.configured

    celery.conf.update(task_default_queue="late")

    assert set(celery.amqp.queues) >= {LAUNCH_QUEUE, RUNS_QUEUE}
    assert "taskadmin.tick" in celery.conf.beat_schedule


def test_two_applications_in_one_process_keep_apart() -> None:
    """Each Celery application works for the Flask application it was made for."""
    first, second = make_app("first"), make_app("second")
    for app in (first, second):
        TaskQueue().init_app(app)

    assert flask_app_of(first.extensions["taskadmin"].celery) is first
    assert flask_app_of(second.extensions["taskadmin"].celery) is second


def test_a_celery_application_without_flask_is_refused_with_the_fix() -> None:
    """Celery tasks of an application that taskadmin doesn't know say what to call."""
    with pytest.raises(RegistrationError) as refused:
        flask_app_of(Celery("stranger", set_as_current=False))

    assert str(refused.value) == (
        "Celery application 'stranger' has no Flask application:"
        " call TaskQueue().init_app(app, celery=celery)."
    )


def test_the_celery_tasks_have_their_names() -> None:
    """The names are part of the interface: messages in queues carry them."""
    ours = {name for name in own_celery().tasks if name.startswith("taskadmin.")}

    assert ours == {
        "taskadmin.generate_random_number_task",
        "taskadmin.launch_tasks",
        "taskadmin.ping",
        "taskadmin.run",
        "taskadmin.runs",
        "taskadmin.tick",
    }


def test_only_ping_keeps_a_result() -> None:
    """A reply that nobody waits for would stay at the broker."""
    tasks = own_celery().tasks

    kept = {n for n in tasks if n.startswith("taskadmin.") and not tasks[n].ignore_result}

    assert kept == {"taskadmin.ping"}
