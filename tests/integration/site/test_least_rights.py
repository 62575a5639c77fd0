"""The site's processes, each with its own user: everything works, and nothing else is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from amqp import AccessRefused  # type: ignore[import-untyped]
from celery import Celery
from flask import Flask
from kombu import Connection

from e2e.running_site import RunningSite, environment
from services.servers.databases import dispose_engines
from services.servers.postgresql import PostgresqlServer
from services.servers.processes import wait_for
from services.servers.rabbitmq import control, delete_queues
from taskadmin import service
from taskadmin.cli import taskadmin_cli
from taskadmin.models import RunState
from taskadmin_site import create_app, migrate
from taskadmin_site.config import broker_url, from_environment
from taskadmin_site.stack import users
from taskadmin_site.stack.services import settings_of

#: Services whose settings the processes have.
PROCESSES = {"web": "web", "launcher": "web", "worker": "worker", "beat": "beat"}

Settings = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def settings(postgresql: PostgresqlServer, rabbitmq: str) -> Iterator[Settings]:
    """Settings of each service, for a database and a virtual host with their users."""
    database = postgresql.create()
    delete_queues(rabbitmq)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "PREFIX", f"test_{uuid4().hex[:8]}_")
        variables = environment(database, rabbitmq, interval_seconds=5)
        given = {"RABBITMQ_USERNAME": users.user_name("admin"), "RABBITMQ_PASSWORD": "admin"}
        found = settings_of(variables | given, lambda *_: "")
        definitions = found["mq"]["definitions.json"]
        try:
            assert control("import_definitions", stdin=definitions), "rabbitmqctl isn't allowed"
            migrate.main(found["migrate"])
            yield found
        finally:
            for user in json.loads(definitions)["users"]:
                control("delete_user", user["name"])
            postgresql.drop(database)
            for role in ("web", "worker", "beat", "migrate"):
                postgresql._execute(f"DROP ROLE IF EXISTS {users.user_name(role)}")
    delete_queues(rabbitmq)


@pytest.fixture(scope="module")
def site(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """The site's processes, each with its service's settings."""
    own = {process: settings[service] for process, service in PROCESSES.items()}
    site = RunningSite(tmp_path_factory.mktemp("site"), {}, own=own)
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Iterator[Flask]:
    """The web service's application, in this process."""
    app = create_app(from_environment(settings["web"]))
    yield app
    dispose_engines(app)


def test_all_works(site: RunningSite, pages: Flask) -> None:
    """Slots, "Run now", a ping and the doctor work without missing privileges."""

    def flask(*arguments: str) -> str:
        password = {"PASSWORD": "correct horse battery staple"}
        done = pages.test_cli_runner().invoke(taskadmin_cli, arguments, env=password)
        assert done.exit_code == 0, done.output
        return done.output

    flask("create-superuser", "ana", "--password-env", "PASSWORD")
    with pages.app_context():
        arguments = {"lower_limit": 1.0, "upper_limit": 6.0}
        service.create_task(
            name="Dice", job="generate_random_number", arguments=arguments, author="ana"
        )
        launch_id = service.start_task("Dice").launch_ids[0]
        service.get_state().session.commit()

        def done(**which: Any) -> list[Any]:
            service.get_state().session.rollback()
            return [one for one in service.find_runs(**which) if one.state == RunState.SUCCEEDED]

        wait_for(lambda: done(launch_id=launch_id), what="the run")
        wait_for(lambda: len(done()) > 1, what="the slot's run")

    assert "worker@" in flask("ping")
    doctor = flask("doctor")
    assert "✓ rights" in doctor, doctor
    for process in PROCESSES:
        for refused in ("ACCESS_REFUSED", "AccessRefused", "permission denied", "Traceback"):
            assert refused not in site.log(process)


def test_flower_may_ask_workers(site: RunningSite, settings: Settings) -> None:
    """Workers reply; the launcher, which has no remote control, doesn't."""
    flower = Celery("flower", broker=broker_url(settings["flower"]))

    answers = flower.control.ping(timeout=3)

    assert [name.partition("@")[0] for answer in answers for name in answer] == ["worker"]


def publish(exchange: str, key: str) -> Callable[[Any], None]:
    """Publish a message."""
    return lambda channel: channel.Producer().publish("{}", exchange=exchange, routing_key=key)


def read(queue: str) -> Callable[[Any], None]:
    """Get a message."""
    return lambda channel: channel.basic_get(queue)


def delete(queue: str) -> Callable[[Any], None]:
    """Delete a queue."""
    return lambda channel: channel.queue_delete(queue)


def purge(queue: str) -> Callable[[Any], None]:
    """Empty a queue."""
    return lambda channel: channel.queue_purge(queue)


def make(queue: str) -> Callable[[Any], None]:
    """Declare a queue."""
    return lambda channel: channel.queue_declare(queue)


def bind(queue: str, exchange: str) -> Callable[[Any], None]:
    """Bind a queue to an exchange."""
    return lambda channel: channel.queue_bind(queue, exchange, "#")


def bind_exchange(destination: str, source: str) -> Callable[[Any], None]:
    """Bind an exchange to another one."""
    return lambda channel: channel.exchange_bind(destination, source, "#")


LAUNCH, RUNS, DEAD = "taskadmin.launch", "taskadmin.runs", "taskadmin.dead"
REPLIES = "0b4ab5a7-8c1c-3f7e-9f0f-000000000000"
#: Service, attempt, and function.
BROKER = [
    ("worker", "tell the launcher something", publish(LAUNCH, LAUNCH)),
    ("worker", "do so by the default exchange", publish("", LAUNCH)),
    ("worker", "do so by binding its queue", bind(LAUNCH, RUNS)),
    ("worker", "do so by binding its exchange", bind_exchange(LAUNCH, RUNS)),
    ("worker", "control workers", publish("celery.pidbox", "")),
    ("worker", "read ticks", read(LAUNCH)),
    ("worker", "delete the launcher's queue", delete(LAUNCH)),
    ("worker", "empty the launcher's queue", purge(LAUNCH)),
    ("worker", "read what is put aside", read(DEAD)),
    ("worker", "delete what is put aside", delete(DEAD)),
    ("worker", "read answers", read(REPLIES)),
    ("worker", "read events", bind("worker@x.celery.pidbox", "celeryev")),
    ("worker", "make a queue", make("mine")),
    ("beat", "send runs", publish(RUNS, RUNS)),
    ("beat", "send by the default exchange", publish("", RUNS)),
    ("beat", "control workers", publish("celery.pidbox", "")),
    ("beat", "read runs", read(RUNS)),
    ("beat", "make a queue", make("mine")),
    ("flower", "send runs", publish(RUNS, RUNS)),
    ("flower", "tell the launcher something", publish(LAUNCH, LAUNCH)),
    ("flower", "send by the default exchange", publish("", RUNS)),
    ("flower", "read runs", read(RUNS)),
    ("flower", "delete runs", delete(RUNS)),
    ("flower", "empty the queue of runs", purge(RUNS)),
    ("flower", "get copies of runs", bind("celeryev.x", RUNS)),
    ("flower", "read answers", read(REPLIES)),
    ("web", "make a queue of any name", make("mine")),
    ("web", "read a worker's orders", read("worker@x.celery.pidbox")),
]


@pytest.mark.parametrize(
    ("service", "attempt"),
    [(name, attempt) for name, _, attempt in BROKER],
    ids=[f"{name}: {what}" for name, what, _ in BROKER],
)
def test_broker_refuses(settings: Settings, service: str, attempt: Callable[[Any], None]) -> None:
    """A service can't do what it doesn't need, whatever runs in its container."""
    options = {"confirm_publish": True, "read_timeout": 5}
    with Connection(broker_url(settings[service]), transport_options=options) as connection:
        channel = connection.default_channel

        with pytest.raises(AccessRefused):
            attempt(channel)


@pytest.mark.parametrize("service", ["web", "worker", "beat", "flower"])
def test_each_broker_user_has_a_password_of_its_own(settings: Settings, service: str) -> None:
    """Neither another user's nor the administrator's password works."""
    for other in {"web", "worker", "beat", "flower"} - {service}:
        password = settings[other]["RABBITMQ_PASSWORD"]
        mixed = settings[service] | {"RABBITMQ_PASSWORD": password}
        with pytest.raises(AccessRefused), Connection(broker_url(mixed)) as connection:
            connection.connect()


#: Statements that no service may execute.
NO_OWNER = [
    "CREATE TABLE mine (id int)",
    "DROP TABLE taskadmin_task",
    "ALTER TABLE taskadmin_task ADD COLUMN mine int",
    "ALTER TABLE taskadmin_audit DISABLE TRIGGER ALL",
    "TRUNCATE taskadmin_run_progress",
    "UPDATE taskadmin_alembic_version SET version_num = ''",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
]
DATABASE = [
    *((service, statement) for service in ("web", "worker", "beat") for statement in NO_OWNER),
    ("web", "DELETE FROM taskadmin_user"),
    ("web", "DELETE FROM taskadmin_audit"),
    ("web", "UPDATE taskadmin_audit SET action = ''"),
    ("worker", "SELECT password_hash FROM taskadmin_user"),
    ("worker", "UPDATE taskadmin_user SET is_superuser = true"),
    ("worker", "INSERT INTO taskadmin_user (username) VALUES ('me')"),
    ("worker", "INSERT INTO taskadmin_audit (action) VALUES ('')"),
    ("worker", "CREATE TEMPORARY TABLE mine (id int)"),
    ("beat", "SELECT FROM taskadmin_task"),
    ("beat", "SELECT FROM taskadmin_user"),
    ("beat", "DELETE FROM taskadmin_task_result"),
    ("migrate", "CREATE ROLE mine"),
    ("migrate", "CREATE DATABASE mine"),
    ("migrate", "COPY (SELECT 1) TO PROGRAM 'true'"),
]


@pytest.mark.parametrize(("service", "statement"), DATABASE)
def test_database_refuses(settings: Settings, service: str, statement: str) -> None:
    """A service can't do what it doesn't need, whatever runs in its container."""
    given = settings[service]
    host, _, port = given["POSTGRES_HOST"].partition(":")
    with (
        psycopg.connect(
            host=host,
            port=int(port),
            dbname=given["POSTGRES_DB"],
            user=given["POSTGRES_USER"],
            password=given["POSTGRES_PASSWORD"],
            autocommit=True,
        ) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
