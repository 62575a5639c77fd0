"""Settings that taskadmin adds to its own or the host's Celery application."""

from __future__ import annotations

from datetime import timedelta

from celery import Celery

from services.celery_hosts import host_celery, make_app, own_celery
from taskadmin import TaskQueue
from taskadmin.queue import LAUNCH_QUEUE


def test_own_celery_takes_the_hosts_settings_over_its_defaults() -> None:
    """``app.config["CELERY"]`` wins; publisher confirms stay on unless it turns them off."""
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
        "socket_timeout": 10,
        "socket_connect_timeout": 10,
    }


def test_beat_sends_the_launcher_every_interval_and_the_tick_in_between() -> None:
    """The two entries have the configured intervals."""
    schedule = own_celery(
        TASKADMIN_LAUNCH_INTERVAL_SECONDS=300, TASKADMIN_TICK_SECONDS=5
    ).conf.beat_schedule

    assert schedule["taskadmin.launch_tasks"]["schedule"] == timedelta(seconds=300)
    assert schedule["taskadmin.tick"]["schedule"] == timedelta(seconds=5)
    assert {entry["options"]["queue"] for entry in schedule.values()} == {LAUNCH_QUEUE}
    assert {entry["options"]["ignore_result"] for entry in schedule.values()} == {True}


def test_a_hosts_beat_entries_stay_and_win() -> None:
    """The host's entry replaces taskadmin's of the same name."""
    mine = {"task": "host.mine", "schedule": 60.0}
    slower = {"task": "taskadmin.tick", "schedule": 30.0, "options": {"queue": LAUNCH_QUEUE}}

    schedule = host_celery(
        beat_schedule={"mine": mine, "taskadmin.tick": slower}
    ).conf.beat_schedule

    assert schedule["mine"] == mine
    assert schedule["taskadmin.tick"] == slower
    assert schedule["taskadmin.launch_tasks"]["task"] == "taskadmin.launch_tasks"


def test_a_hosts_configuration_is_not_loaded_by_init_app() -> None:
    """A host can configure its Celery application after ``init_app``."""
    celery = Celery("late", set_as_current=False)
    TaskQueue().init_app(make_app(), celery=celery)
    assert not celery.configured

    celery.conf.update(task_default_queue="late")

    assert set(celery.amqp.queues) == {"late"}
    assert "taskadmin.tick" in celery.conf.beat_schedule


def test_the_celery_tasks_have_their_names() -> None:
    """Messages in queues contain the names, so they mustn't change."""
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
    """Other replies would stay at the broker."""
    tasks = own_celery().tasks

    kept = {n for n in tasks if n.startswith("taskadmin.") and not tasks[n].ignore_result}

    assert kept == {"taskadmin.ping"}
