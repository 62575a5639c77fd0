"""PgBouncer with transaction pooling: migrations, runs, and state left on connections."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, create_engine, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.jobs import policy_jobs
from services.rows.runs import DUE
from services.servers.databases import bare_app
from services.servers.pgbouncer import POOL_SIZE, pgbouncer, program
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin import migrations
from taskadmin.health.checks import database
from taskadmin.health.finding import Answer, Status
from taskadmin.models import GENERATE_RANDOM_NUMBER, RunState, Task, TaskResult
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.store.database.outage import ErrorKind, is_outage, kind_of
from taskadmin.store.runs.open_runs import read_open

pytestmark = pytest.mark.databases("postgresql")

MIGRATE = Path(__file__).parents[1] / "unit" / "migrations" / "migrate_once.py"
EACH = 150
NOTHING_PREPARED = {"connect_args": {"prepare_threshold": None}}
#: Release of PgBouncer, its settings, and the documented engine options.
CONFIGURATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "nothing prepared": ("installed", {}, NOTHING_PREPARED),
    "followed": ("newest", {"max_prepared_statements": 200}, {}),
}


def other_clients_see(url: URL) -> list[tuple[Any, ...]]:
    """Return limits and locks on each of the pool's connections to PostgreSQL."""
    found = {}
    clients = [
        psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database)
        for _ in range(POOL_SIZE)
    ]
    for client in clients:  # in transactions that stay open, so that each is used once
        row = client.execute(
            "SELECT pg_backend_pid(), current_setting('lock_timeout'),"
            " current_setting('statement_timeout'),"
            " current_setting('idle_in_transaction_session_timeout'),"
            # Only this database's locks: other tests migrate theirs on the same server.
            " (SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database())"
        ).fetchone()
        assert row is not None
        found[row[0]] = row[1:]
    for client in clients:
        client.close()
    assert len(found) == POOL_SIZE
    return [*found.values()]


CLEAN = [("0", "0", "0", 0)] * POOL_SIZE


@pytest.mark.parametrize("which", ["installed", "newest"])
def test_migrations_leave_nothing_on_pooled_connections(
    empty_database_url: URL, which: str
) -> None:
    """After sequential and concurrent upgrades and a downgrade, no limit or lock remains."""
    with pgbouncer(program(which), empty_database_url) as url, bare_app(url) as app:
        migrations.upgrade(app)
        migrations.upgrade(app)
        assert other_clients_see(url) == CLEAN
        migrations.downgrade(app, "base")
        assert other_clients_see(url) == CLEAN

        both = [
            subprocess.Popen(
                [sys.executable, MIGRATE, url.render_as_string(hide_password=False)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        errors = [process.communicate("go\n", timeout=120)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], errors
        migrations.check(app)
        assert other_clients_see(url) == CLEAN


@pytest.fixture(params=CONFIGURATIONS)
def configuration(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Release of PgBouncer, its settings, and the engine options."""
    return CONFIGURATIONS[request.param]


@pytest.fixture
def pooled(
    database_url: URL, configuration: tuple[str, dict[str, Any], dict[str, Any]]
) -> Iterator[URL]:
    """The test's database behind PgBouncer."""
    which, settings, _ = configuration
    with pgbouncer(program(which), database_url, **settings) as url:
        yield url


@pytest.fixture
def more_settings(
    pooled: URL, configuration: tuple[str, dict[str, Any], dict[str, Any]]
) -> dict[str, Any]:
    """Connect the processes to the database through PgBouncer."""
    return {
        "SQLALCHEMY_DATABASE_URI": pooled.render_as_string(hide_password=False),
        "SQLALCHEMY_ENGINE_OPTIONS": configuration[2],
        "TASKADMIN_JOBS": policy_jobs.__name__,
    }


def test_every_run_of_a_real_worker_succeeds(
    session: Session, make_user: MakeUser, processes: CeleryProcesses, pooled: URL
) -> None:
    """Claimed or not: no run fails with an unknown prepared statement."""
    author = make_user("author").id
    session.execute(
        insert(Task),
        [
            {"job": name, "params": params, "created_by": author, **limits}
            for name, params, limits in (
                (GENERATE_RANDOM_NUMBER, {}, {"lower_limit": 0, "upper_limit": 1}),
                ("slow", {"seconds": 0.0}, {"lower_limit": None, "upper_limit": None}),
            )
            for _ in range(EACH)
        ],
    )
    session.commit()
    processes.worker("runs", RUNS_QUEUE, "-c", "4")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()

    def finished() -> Counter[tuple[str, str | None]]:
        rows = session.execute(
            select(TaskResult.state, TaskResult.error_type).where(
                TaskResult.finished_at.is_not(None)
            )
        )
        counted = Counter((row.state, row.error_type) for row in rows)
        session.rollback()
        return counted

    wait_for(lambda: finished().total() == 2 * EACH, seconds=180, what="the end of all runs")
    assert finished() == Counter({(RunState.SUCCEEDED, None): 2 * EACH})
    assert set(session.scalars(select(TaskResult.attempts))) <= {0, 1}
    processes.stop()
    assert other_clients_see(pooled) == CLEAN


@pytest.mark.parametrize("which", ["installed", "newest"])
def test_statements_that_a_pooler_forgets_are_prepared_no_more(
    database_url: URL, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first failure gets another connection, and logs what to set."""
    settings = {"max_prepared_statements": 0} if which == "newest" else {}
    with pgbouncer(program(which), database_url, **settings) as url:
        engine = create_engine(url)
        busy = psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database)
        with Session(engine) as session:

            def look() -> None:
                assert read_open(session, [(1, DUE)], uuid4()) == []

            for _ in range(10):  # psycopg prepares at the sixth
                look()
            busy.execute("SELECT 1")  # gets the connection used last
            with pytest.raises(DBAPIError) as caught:
                look()
            assert kind_of(caught.value) is ErrorKind.RECONNECT
            for _ in range(10):
                look()
            busy.rollback()
            for _ in range(10):
                look()
        busy.close()
        engine.dispose()
    (said,) = (record.getMessage() for record in caplog.records)
    assert "connect_args" in said


# The doctor

FORGOTTEN = (
    "A connection pooler gives each transaction another server connection, where the statements"
    " that psycopg prepared don't exist: statements fail, or another client's is executed."
)
FOLLOWED = "A connection pooler is in front of the database, and tracks prepared statements."
HARMLESS = "Prepared statements work, or none are prepared."


def said_of(url: URL, **options: Any) -> Answer:
    with bare_app(url, SQLALCHEMY_ENGINE_OPTIONS=options) as app:
        return database.pooler(app)


@pytest.mark.parametrize(
    ("which", "settings", "options", "found"),
    [
        ("installed", {}, {}, FORGOTTEN),
        ("installed", {"server_round_robin": 1}, {}, FORGOTTEN),
        ("installed", {}, NOTHING_PREPARED, HARMLESS),
        ("installed", {"pool_mode": "session"}, {}, HARMLESS),
        ("newest", {"max_prepared_statements": 0}, {}, FORGOTTEN),
        ("newest", {"max_prepared_statements": 10}, {}, FOLLOWED),
        ("newest", {"pool_mode": "session"}, {}, HARMLESS),
    ],
)
def test_doctor_tries_prepared_statements(
    database_url: URL, which: str, settings: dict[str, Any], options: dict[str, Any], found: str
) -> None:
    """It says what to set only if a statement was unknown."""
    with pgbouncer(program(which), database_url, **settings) as url:
        answer = said_of(url, **options)
    assert answer.found == found
    assert answer.status == (Status.PROBLEM if found == FORGOTTEN else Status.OK)
    if found == FORGOTTEN:
        assert "prepare_threshold" in (answer.fix or "")


def test_doctor_is_content_without_a_pooler(database_url: URL) -> None:
    """It finds no problem on a direct connection."""
    assert said_of(database_url) == Answer(Status.OK, HARMLESS)


@pytest.mark.parametrize("options", [{}, {"pool_size": 1, "max_overflow": 0}])
def test_doctor_does_not_judge_by_a_single_connection(
    database_url: URL, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Without a second connection, it can't tell."""
    monkeypatch.setattr(database, "_QUERY_TIMEOUT_SECONDS", 1.0)
    settings = {} if options else {"default_pool_size": 1}
    with pgbouncer(program("installed"), database_url, **settings) as url:
        answer = said_of(url, **options)
    assert answer.status == Status.OK


def test_errors_of_pgbouncer_itself_are_outages(database_url: URL) -> None:
    """No connection was available in time."""
    limits = {"default_pool_size": 1, "query_wait_timeout": 1}
    with (
        pgbouncer(program("installed"), database_url, **limits) as url,
        bare_app(url) as app,
        app.app_context(),
    ):
        engine = app.extensions["sqlalchemy"].engine
        with engine.connect() as one, engine.connect() as other:
            one.exec_driver_sql("SELECT 1")
            with pytest.raises(Exception) as caught:  # noqa: PT011 - what is_outage says of it
                other.exec_driver_sql("SELECT 1")
    assert is_outage(caught.value)
