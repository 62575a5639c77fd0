"""Fixtures that every test may use.

Databases: a test that asks for ``database_url``, ``engine``, ``session`` or
``app`` runs once on SQLite and once on PostgreSQL, each time with a migrated
database of its own. ``@pytest.mark.databases("postgresql")`` restricts it to one.

Configuration: ``@pytest.mark.settings(TASKADMIN_REGISTRATION=False)`` on a test,
class or module sets keys of ``app``'s configuration; the nearest one wins.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeApp, MakeTask, MakeUser
from services.databases import (
    PostgresqlTemplate,
    SqliteTemplate,
    dispose_engines,
    sqlite_url,
)
from services.postgresql import PostgresqlServer, postgresql_server
from services.rabbitmq import delete_queues, rabbitmq_server
from taskadmin import TaskAdmin
from taskadmin.accounts import passwords
from taskadmin.models import GENERATE_RANDOM_NUMBER, Task, User
from taskadmin.store import tasks, users

DATABASES = ("sqlite", "postgresql")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers; an unknown one is an error."""
    for line in (
        "databases(*names): run on these databases only, of sqlite and postgresql",
        "settings(**config): set these keys of the application's configuration",
        "sqlite: set by itself on what runs on SQLite",
        "postgresql: set by itself on what runs on PostgreSQL",
        "xdist_group(name): tests that one process runs, one after the other",
    ):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever needs a database once on each database it is meant for."""
    if "database" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("databases")
    names = marker.args if marker else DATABASES
    assert set(names) <= set(DATABASES), f"databases{names}: known are {DATABASES}"
    parameters = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in names]
    metafunc.parametrize("database", parameters, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests with a broker together: they empty the same queues, and load the machine."""
    for item in items:
        if "rabbitmq" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("broker"))


@pytest.fixture(autouse=True)
def _without_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep TASKADMIN_ variables of whoever runs the tests from the sites that tests start."""
    for name in [name for name in os.environ if name.startswith("TASKADMIN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """A password that nobody guesses at takes a quarter of a second of a processor's time."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: cheap)
        nobodys_hash = cheap.hash("nobody's password")
        patch.setattr(passwords, "_nobodys_hash", lambda: nobodys_hash)
        yield


# Servers


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server: an existing one, or one started for this run."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """URL of RabbitMQ; tests that need it are skipped without it, and fail in CI."""
    with rabbitmq_server() as url:
        yield url


@pytest.fixture
def broker_url(rabbitmq: str) -> Iterator[str]:
    """URL of a RabbitMQ without any of taskadmin's queues, before and after."""
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
    """Name of the database a test runs on: sqlite or postgresql."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """URL of an own database at the newest revision, without any rows."""
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
    """URL of an own database without any tables."""
    if database == "sqlite":
        yield sqlite_url(tmp_path / "empty.sqlite")
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An engine over the test's database, not the application's; for sessions in threads."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session over the test's database.

    It isn't the application's, and no application context is pushed: requests of
    ``client`` would share its ``g``, and with that who is signed in. After a request,
    ``session.expire_all()`` lets the next look see what the request changed.
    """
    with Session(engine) as session:
        yield session


# Applications


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Compiled templates: each test has an application of its own, and compiling takes longest."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def make_app(database_url: URL, compiled_templates: FileSystemBytecodeCache) -> Iterator[MakeApp]:
    """Applications with the whole of taskadmin on the test's database."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = Flask("host")
        app.jinja_options = {**app.jinja_options, "bytecode_cache": compiled_templates}
        app.config.update(
            TESTING=True,
            SECRET_KEY="only for tests",
            SQLALCHEMY_DATABASE_URI=database_url,
            # Tests of CSRF protection switch it on: @pytest.mark.settings(WTF_CSRF_ENABLED=True).
            WTF_CSRF_ENABLED=False,
            CELERY={"broker_url": "memory://localhost/", "result_backend": "disabled://"},
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
    """A host application with the whole of taskadmin."""
    config: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("settings"))):
        config |= marker.kwargs
    return make_app(**config)


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Replace pytest-flask's: under one context all requests share who is signed in."""


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies; ``app.test_client()`` is another one."""
    return app.test_client()


# Rows


@pytest.fixture
def make_user(session: Session) -> MakeUser:
    """Users."""

    def make(
        username: str = "ada",
        password: str | None = None,
        *,
        is_superuser: bool = False,
        can_review_tasks: bool = False,
        is_active: bool = True,
    ) -> User:
        password_hash = None
        if password is not None:
            password_hash = passwords.hash_password(password)
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
    """Tasks; without an author they belong to a user called author."""

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


# Tools


@pytest.fixture
def count_queries() -> CountQueries:
    """``with count_queries() as statements:`` collects the SQL that any engine executes."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    return count


@pytest.fixture
def at_once() -> AtOnce:
    """Calls functions in threads that start together at a barrier."""

    def call(*functions: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(functions), timeout=30)

        def wait_and_call(function: Callable[[], Any]) -> Any:
            barrier.wait()
            return function()

        with ThreadPoolExecutor(len(functions)) as pool:
            futures = [pool.submit(wait_and_call, function) for function in functions]
            return [future.exception(60) or future.result() for future in futures]

    return call
