"""Hosts that bring their own Celery, run two applications, or use parts alone."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from kombu import Queue
from sqlalchemy import URL, event
from sqlalchemy.engine import Engine

from fixture_types import MakeApp
from services.databases import dispose_engines
from taskadmin import AdminViews, Migrations, Models, TaskAdmin, TaskAdminError, TaskQueue
from taskadmin.migrations import check
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.state import get_state
from taskadmin.store import users

MEMORY = {"broker_url": "memory://localhost/", "result_backend": "disabled://"}


def host_app(url: URL | str = "sqlite://", **config: Any) -> tuple[Flask, SQLAlchemy]:
    app = Flask("shop")
    app.config.update(
        SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=url, CELERY=MEMORY, **config
    )
    return app, SQLAlchemy(app)


def test_everything_in_one_call(make_app: MakeApp) -> None:
    """The state holds what the parts offer each other."""
    state = get_state(make_app())
    assert state.parts == {"Models", "Migrations", "Accounts", "TaskQueue", "AdminViews"}
    assert state.publish is not None
    assert state.celery is not None


def test_init_app_opens_no_connection() -> None:
    """Neither to the database nor to the broker: a host starts while they are away."""
    app, db = host_app("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    app.config["CELERY"] = {"broker_url": "amqp://nobody@127.0.0.1:1//"}
    connected: list[Any] = []

    def note(*arguments: Any) -> None:
        connected.append(arguments)

    event.listen(Engine, "do_connect", note)
    try:
        TaskAdmin().init_app(app, db=db)
    finally:
        event.remove(Engine, "do_connect", note)
    assert connected == []
    dispose_engines(app)


def test_a_second_call_is_refused() -> None:
    """With the sentence that tells the fix, and the first registration stays."""
    app, db = host_app()
    TaskAdmin().init_app(app, db=db)
    with pytest.raises(TaskAdminError) as caught:
        TaskAdmin().init_app(app, db=db)
    assert str(caught.value) == (
        "Models is initialised on 'shop' already: call Models().init_app once for each app."
    )


def test_the_hosts_own_settings_stay() -> None:
    """Only TASKADMIN_* keys are taskadmin's; of the others it may only add what isn't there."""
    app, db = host_app(PERMANENT_SESSION_LIFETIME=77, SQLALCHEMY_ECHO=False)
    before = dict(app.config)
    TaskAdmin().init_app(app, db=db)
    assert {key: app.config[key] for key in before} == before
    assert {key for key in app.config if key.startswith("SQLALCHEMY_")} == {
        key for key in before if key.startswith("SQLALCHEMY_")
    }


def test_two_applications_in_one_process_do_not_mix(
    make_app: MakeApp, database: str, tmp_path: Any
) -> None:
    """Each has its own settings, database, Celery application and pages."""
    first = make_app(TASKADMIN_SITE_NAME="First")
    other, db = host_app(f"sqlite:///{tmp_path}/other.sqlite", TASKADMIN_SITE_NAME="Other")
    TaskAdmin().init_app(other, db=db)
    from taskadmin.migrations import upgrade

    upgrade(other)
    try:
        with first.app_context():
            users.create_user(get_state().session, "ada", password_hash=None)
        with other.app_context():
            assert users.find_user(get_state().session, "ada") is None
        assert get_state(first).celery is not get_state(other).celery
        assert b"First" in first.test_client().get("/taskadmin/login").data
        assert b"Other" in other.test_client().get("/taskadmin/login").data
    finally:
        dispose_engines(other)


def test_the_hosts_celery_keeps_what_it_has() -> None:
    """Queues and beat entries are added; an entry of the same name is the host's."""
    app, db = host_app()
    celery: Any = Celery("shop", set_as_current=False)
    own = {
        "nightly": {"task": "shop.bill", "schedule": crontab(hour=3)},
        "taskadmin.launch_tasks": {"task": "taskadmin.launch_tasks", "schedule": 7.0},
    }
    celery.conf.update(**MEMORY, task_queues=[Queue("shop")], beat_schedule=own)
    TaskAdmin().init_app(app, db=db, celery=celery)
    assert {queue.name for queue in celery.conf.task_queues} == {
        "shop",
        LAUNCH_QUEUE,
        RUNS_QUEUE,
    }
    schedule = celery.conf.beat_schedule
    assert set(schedule) == {"nightly", "taskadmin.launch_tasks", "taskadmin.tick"}
    assert schedule["nightly"] == own["nightly"]
    assert schedule["taskadmin.launch_tasks"]["schedule"] == 7.0
    assert get_state(app).celery is celery


def test_a_host_without_queues_keeps_its_default_one() -> None:
    """Tasks of the host that name no queue still go where its worker reads."""
    app, db = host_app()
    celery = Celery("shop", set_as_current=False)
    celery.conf.update(**MEMORY)
    TaskAdmin().init_app(app, db=db, celery=celery)
    assert "celery" in {queue.name for queue in celery.conf.task_queues}


def test_models_and_migrations_alone(empty_database_url: URL) -> None:
    """A process that only migrates needs no Celery and no pages."""
    from taskadmin.migrations import upgrade

    app, db = host_app(empty_database_url)
    Models().init_app(app, db=db)
    Migrations().init_app(app)
    upgrade(app)
    check(app)
    dispose_engines(app)
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]


def test_the_queue_alone(database_url: URL) -> None:
    """A worker's process has no pages."""
    app, db = host_app(database_url)
    Models().init_app(app, db=db)
    TaskQueue().init_app(app)
    assert get_state(app).celery is not None
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/static/<path:filename>"]
    dispose_engines(app)


@pytest.mark.parametrize("part", [Migrations, TaskQueue, AdminViews])
def test_parts_that_need_tables_say_so(part: Any) -> None:
    """The message has the line that comes before."""
    app, _ = host_app()
    with pytest.raises(TaskAdminError, match=r"needs Models: call Models\(\)\.init_app\(app, "):
        part().init_app(app)
