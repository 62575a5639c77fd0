"""Fixtures for all tests.

Databases: a test with a fixture ``database_url``, ``engine``, ``session`` or
``app`` runs once on SQLite and once on PostgreSQL, each time with a new,
migrated database. ``@pytest.mark.databases("postgresql")`` restricts it to one.

Configuration: ``@pytest.mark.settings(TASKADMIN_REGISTRATION=False)`` on a test,
class or module sets keys of ``app``'s configuration; the nearest one wins.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from jinja2 import FileSystemBytecodeCache
from redis import Redis
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask, MakeUser
from services.constants import refuse_hidden_constants
from services.servers.databases import (
    PostgresqlTemplate,
    SqliteTemplate,
    dispose_engines,
    sqlite_url,
)
from services.servers.postgresql import PostgresqlServer, postgresql_server
from services.servers.rabbitmq import delete_queues, rabbitmq_server
from services.servers.redis_server import redis_server
from taskadmin import TaskAdmin
from taskadmin.models import GENERATE_RANDOM_NUMBER, Task, User
from taskadmin.store.people import passwords, users
from taskadmin.store.tasks import tasks

DATABASES = ("sqlite", "postgresql")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; unknown ones are errors."""
    for line in (
        "databases(*names): run only on these databases (sqlite, postgresql)",
        "settings(**config): set these keys of the application's configuration",
        "sqlite: set automatically on tests that use SQLite",
        "postgresql: set automatically on tests that use PostgreSQL",
        "xdist_group(name): run these tests in the same process",
    ):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with a database once on each of their databases."""
    if "database" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("databases")
    names = marker.args if marker else DATABASES
    assert set(names) <= set(DATABASES), f"databases{names}: known are {DATABASES}"
    parameters = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in names]
    metafunc.parametrize("database", parameters, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests with a broker in two processes: they wait, but also load the machine.

    Alarms of the broker would disturb those with workers. Without a virtual host for each process,
    all share their queues, and stay in one.
    """
    for item in items:
        if "rabbitmq" in getattr(item, "fixturenames", ()):
            has_workers = re.search(r"integration/workers/|test_broker_alarms", item.nodeid)
            group = "workers" if has_workers and shutil.which("rabbitmqctl") else "broker"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _without_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the user's TASKADMIN_ variables, so that sites of tests don't read them."""
    for name in [name for name in os.environ if name.startswith("TASKADMIN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Weaken password hashes, which otherwise take a quarter of a second each."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: cheap)
        nobodys_hash = cheap.hash("nobody's password")
        patch.setattr(passwords, "_nobodys_hash", lambda: nobodys_hash)
        yield


@pytest.fixture(scope="session", autouse=True)
def _constants_are_literals() -> Iterator[None]:
    """Fail on parameters in a partial index's predicate, in all tests."""
    event.listen(Engine, "before_cursor_execute", refuse_hidden_constants)
    yield
    event.remove(Engine, "before_cursor_execute", refuse_hidden_constants)


# Servers


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server: an existing one, or one started for this run."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """URL of RabbitMQ; without it, tests are skipped, or fail in CI."""
    with rabbitmq_server() as url:
        yield url


@pytest.fixture
def broker_url(rabbitmq: str) -> Iterator[str]:
    """URL of a RabbitMQ without taskadmin's queues, before and after the test."""
    delete_queues(rabbitmq)
    yield rabbitmq
    delete_queues(rabbitmq)


# Databases


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    return SqliteTemplate(tmp_path_factory.mktemp("template") / "taskadmin.sqlite")


@pytest.fixture(scope="session")
def _postgresql_template(postgresql: PostgresqlServer) -> Iterator[PostgresqlTemplate]:
    template = PostgresqlTemplate(postgresql)
    yield template
    template.drop()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Name of the test's database: sqlite or postgresql."""
    return str(request.param)


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """URL of a new database at the newest revision, without rows."""
    if database == "sqlite":
        template: SqliteTemplate = request.getfixturevalue("_sqlite_template")
        yield template.copy(tmp_path / "taskadmin.sqlite")
        return
    source: PostgresqlTemplate = request.getfixturevalue("_postgresql_template")
    url = source.copy()
    yield url
    source.server.drop(url)


@pytest.fixture
def empty_database_url(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[URL]:
    """URL of a new database without tables."""
    if database == "sqlite":
        yield sqlite_url(tmp_path / "empty.sqlite")
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An engine for the test's database, separate from the application's; for threads."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session of the test's database, separate from the application's.

    No application context is pushed, because requests of ``client`` would share its ``g``
    and thus the logged-in user. Call ``session.expire_all()`` to see changes of a request.
    """
    with Session(engine) as session:
        yield session


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of the test run."""
    with redis_server(tmp_path_factory.mktemp("redis")) as client:
        yield client


@pytest.fixture
def empty_redis(redis: Redis) -> Redis:
    """A client of an empty Redis with its default settings."""
    for setting, value in {"maxmemory": "0", "maxmemory-policy": "noeviction"}.items():
        redis.config_set(setting, value)
    redis.config_set("appendonly", "no")
    redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"])
    redis.flushall()
    return redis


# Applications


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Cache compiled templates across the tests' applications, since compiling takes longest."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def make_app(database_url: URL, compiled_templates: FileSystemBytecodeCache) -> Iterator[MakeApp]:
    """Create applications with all of taskadmin on the test's database."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = Flask("host")
        app.jinja_options = {**app.jinja_options, "bytecode_cache": compiled_templates}
        app.config.update(
            TESTING=True,
            SECRET_KEY="only for tests",
            SQLALCHEMY_DATABASE_URI=database_url,
            # Tests of CSRF protection enable it: @pytest.mark.settings(WTF_CSRF_ENABLED=True).
            WTF_CSRF_ENABLED=False,
            CELERY={"broker_url": "memory://localhost/", "result_backend": "disabled://"},
            TASKADMIN_REGISTRATION=True,
        )
        app.config.update(config)
        db = SQLAlchemy(app)
        made.append(app)
        TaskAdmin().init_app(app, db=db)
        return app

    yield make
    for app in made:
        dispose_engines(app)


@pytest.fixture
def app(make_app: MakeApp, request: pytest.FixtureRequest) -> Flask:
    """A host application with all of taskadmin."""
    config: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("settings"))):
        config |= marker.kwargs
    return make_app(**config)


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Replace pytest-flask's fixture, whose context makes all requests share the logged-in user."""


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies; ``app.test_client()`` creates another one."""
    return app.test_client()


# Rows


@pytest.fixture
def make_user(session: Session) -> MakeUser:
    """Create users."""

    def make(
        username: str = "ada",
        password: str | None = None,
        *,
        is_superuser: bool = False,
        can_review_tasks: bool = False,
        is_active: bool = True,
    ) -> User:
        password_hash = None if password is None else passwords.hash_password(password)
        user = users.create_user(
            session,
            username,
            password_hash=password_hash,
            is_superuser=is_superuser,
            can_review_tasks=can_review_tasks,
        )
        if not is_active:
            user.is_active = False
            session.commit()
        return user

    return make


@pytest.fixture
def make_task(session: Session, make_user: MakeUser) -> MakeTask:
    """Create tasks; without an author, they belong to a user called author."""

    def make(
        author: User | None = None,
        lower_limit: float = 0.0,
        upper_limit: float = 1.0,
        *,
        name: str | None = None,
        enabled: bool = True,
        job: str = GENERATE_RANDOM_NUMBER,
        params: dict[str, Any] | None = None,
    ) -> Task:
        if author is None:
            author = users.find_user(session, "author") or make_user("author")
        limits = {"lower_limit": lower_limit, "upper_limit": upper_limit}
        return tasks.create_task(
            session,
            author_id=author.id,
            name=name,
            enabled=enabled,
            job=job,
            arguments=limits if job == GENERATE_RANDOM_NUMBER else params or {},
        )

    return make
