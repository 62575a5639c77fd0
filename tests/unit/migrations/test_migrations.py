"""The schema: built, taken back and built again by the migrations, with rows in the tables."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.databases import bare_app
from services.postgresql import PostgresqlServer
from taskadmin import migrations
from taskadmin.errors import MigrationError
from taskadmin.migrations import VERSION_TABLE
from taskadmin.migrations.extension import _migrating

#: What came after the first four revisions.
LATER = {
    "taskadmin_minute_count",
    "taskadmin_audit",
    "taskadmin_pause",
    "taskadmin_process",
    "taskadmin_run_progress",
    "taskadmin_schedule",
    "taskadmin_state",
}
TABLES = {
    *LATER,
    "taskadmin_launch",
    "taskadmin_task",
    "taskadmin_task_result",
    "taskadmin_user",
    VERSION_TABLE,
}
MOMENT = "2026-01-01 00:00:00"


@pytest.fixture
def empty(empty_database_url: URL) -> Iterator[Flask]:
    """An application on a database without tables."""
    with bare_app(empty_database_url) as app:
        yield app


@pytest.fixture
def sql(empty_database_url: URL) -> Iterator[Engine]:
    """An engine of a stranger over the same database."""
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()


def run(sql: Engine, statement: str, **values: Any) -> None:
    with sql.begin() as connection:
        connection.execute(text(statement), values)


def rows(sql: Engine, statement: str) -> list[tuple[Any, ...]]:
    with sql.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def add_user(sql: Engine, name: str) -> None:
    run(
        sql,
        "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
        " VALUES (:name, :name, 'x', :moment)",
        name=name,
        moment=MOMENT,
    )


def add_task(sql: Engine) -> None:
    run(
        sql,
        "INSERT INTO taskadmin_task"
        " (lower_limit, upper_limit, created_at, updated_at, created_by)"
        " VALUES (0.25, 1.7976931348623157e308, :moment, :moment, 1)",
        moment=MOMENT,
    )


def add_result(sql: Engine) -> None:
    run(
        sql,
        "INSERT INTO taskadmin_task_result"
        " (task_id, launch_id, due_at, job, queue, task_params, state, queued_at)"
        " VALUES (1, 1, :moment, 'generate_random_number', 'q', '{}', 'queued', :moment)",
        moment=MOMENT,
    )


def add_launch(sql: Engine) -> None:
    run(
        sql,
        "INSERT INTO taskadmin_launch (kind, slot, state, opened_at)"
        " VALUES ('slot', :moment, 'opening', :moment)",
        moment=MOMENT,
    )


def tables(sql: Engine) -> set[str]:
    return set(inspect(sql).get_table_names())


def test_an_upgrade_builds_every_table(empty: Flask, sql: Engine) -> None:
    """And notes the revision in a table of its own."""
    assert migrations.current_revision(empty) is None
    migrations.upgrade(empty)
    assert tables(sql) == TABLES
    assert migrations.current_revision(empty) == migrations.newest_revision()


def test_the_schema_is_what_the_models_say(empty: Flask) -> None:
    """A model that was changed without a migration is found here."""
    migrations.upgrade(empty)
    migrations.check(empty)


def test_a_difference_from_the_models_is_found(empty: Flask, sql: Engine) -> None:
    """Somebody altered a table by hand."""
    migrations.upgrade(empty)
    run(sql, "ALTER TABLE taskadmin_task ADD COLUMN mine INTEGER")
    with pytest.raises(MigrationError, match=r"remove_column.*mine"):
        migrations.check(empty)


@pytest.mark.parametrize("revision", [None, "0002"])
def test_an_old_schema_is_found(empty: Flask, revision: str | None) -> None:
    """With the command that brings it up to date."""
    if revision is not None:
        migrations.upgrade(empty, revision)
    with pytest.raises(MigrationError) as caught:
        migrations.check(empty)
    assert str(caught.value) == (
        f"The database is at revision {revision or 'none'}, taskadmin needs"
        f" {migrations.newest_revision()}: run flask taskadmin db upgrade."
    )


def test_an_upgrade_of_the_newest_schema_does_nothing(empty: Flask, sql: Engine) -> None:
    """It is run at every start of a site."""
    migrations.upgrade(empty)
    add_user(sql, "ada")
    migrations.upgrade(empty)
    assert rows(sql, "SELECT username FROM taskadmin_user") == [("ada",)]


@pytest.mark.parametrize("move", [migrations.upgrade, migrations.downgrade])
def test_an_unknown_revision_is_named(empty: Flask, move: Any) -> None:
    """A downgrade to a revision of another version, or a slip of the keyboard."""
    with pytest.raises(MigrationError, match="'7777'"):
        move(empty, "7777")


def test_up_down_and_up_with_rows(empty: Flask, sql: Engine) -> None:
    """Each downgrade takes its own tables only; rows of the others stay as they are."""
    migrations.upgrade(empty)
    add_user(sql, "ada")
    add_task(sql)
    add_result(sql)
    add_launch(sql)
    task = rows(sql, "SELECT id, job, lower_limit, upper_limit, enabled FROM taskadmin_task")
    assert task[0][:4] == (1, "generate_random_number", 0.25, 1.7976931348623157e308)

    migrations.downgrade(empty, "0003")
    assert tables(sql) == TABLES - {*LATER, "taskadmin_launch"}
    assert rows(sql, "SELECT task_id, state FROM taskadmin_task_result") == [(1, "queued")]

    migrations.downgrade(empty, "0001")
    assert tables(sql) == {"taskadmin_user", "taskadmin_task", VERSION_TABLE}
    assert rows(sql, "SELECT username FROM taskadmin_user") == [("ada",)]

    migrations.upgrade(empty)
    migrations.check(empty)
    assert (
        rows(sql, "SELECT id, job, lower_limit, upper_limit, enabled FROM taskadmin_task") == task
    )
    assert rows(sql, "SELECT id FROM taskadmin_task_result") == []


def test_a_deleted_task_does_not_come_back_by_a_downgrade(empty: Flask, sql: Engine) -> None:
    """The column that marks it goes; so do the row and its results, and no others."""
    migrations.upgrade(empty)
    add_user(sql, "ada")
    add_task(sql)
    add_task(sql)
    add_result(sql)
    with sql.begin() as connection:
        connection.execute(text("UPDATE taskadmin_task SET deleted_at = created_at WHERE id = 1"))

    migrations.downgrade(empty, "0004")

    assert rows(sql, "SELECT id FROM taskadmin_task") == [(2,)]
    assert rows(sql, "SELECT id FROM taskadmin_task_result") == []


def test_down_to_base_leaves_nothing(empty: Flask, sql: Engine) -> None:
    """With rows in every table; the host's database is as if taskadmin had never been there."""
    migrations.upgrade(empty)
    add_user(sql, "ada")
    add_task(sql)
    add_result(sql)
    add_launch(sql)
    migrations.downgrade(empty, "base")
    assert tables(sql) == {VERSION_TABLE}
    assert migrations.current_revision(empty) is None
    migrations.upgrade(empty)
    migrations.check(empty)


def test_can_review_tasks_comes_to_a_table_with_users(empty: Flask, sql: Engine) -> None:
    """People who were there before may not review; going back keeps them and their tasks."""
    migrations.upgrade(empty, "0001")
    columns = {column["name"] for column in inspect(sql).get_columns("taskadmin_user")}
    assert "can_review_tasks" not in columns
    for name in ("ada", "bob"):
        add_user(sql, name)
    add_task(sql)

    migrations.upgrade(empty, "0002")
    assert rows(sql, "SELECT username FROM taskadmin_user WHERE NOT can_review_tasks") == [
        ("ada",),
        ("bob",),
    ]

    migrations.downgrade(empty, "0001")
    columns = {column["name"] for column in inspect(sql).get_columns("taskadmin_user")}
    assert "can_review_tasks" not in columns
    assert rows(sql, "SELECT id, username FROM taskadmin_user") == [(1, "ada"), (2, "bob")]
    assert rows(sql, "SELECT created_by FROM taskadmin_task") == [(1,)]


def test_constraints_survive_going_back(empty: Flask, sql: Engine) -> None:
    """SQLite rebuilds the table to drop a column: its constraints have to come along."""
    migrations.upgrade(empty, "0002")
    add_user(sql, "ada")
    migrations.downgrade(empty, "0001")
    with pytest.raises(IntegrityError):
        add_user(sql, "ada")
    add_user(sql, "bob")
    assert rows(sql, "SELECT username FROM taskadmin_user ORDER BY id") == [("ada",), ("bob",)]


@pytest.mark.databases("sqlite")
def test_ids_are_not_given_again_after_going_back(empty: Flask, sql: Engine) -> None:
    """AUTOINCREMENT survives SQLite's way of altering a table."""
    migrations.upgrade(empty, "0002")
    for name in ("ada", "bob"):
        add_user(sql, name)
    migrations.downgrade(empty, "0001")
    run(sql, "DELETE FROM taskadmin_user WHERE username = 'bob'")
    add_user(sql, "cy")
    assert rows(sql, "SELECT id FROM taskadmin_user ORDER BY id") == [(1,), (3,)]


@pytest.mark.databases("sqlite")
def test_rows_that_refer_to_an_altered_table_stay(empty_database_url: URL, sql: Engine) -> None:
    """With foreign_keys=ON, altering a table on SQLite deletes what refers to it, if one lets it."""
    with bare_app(empty_database_url) as app:
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine
        enforce_foreign_keys(engine)
        migrations.upgrade(app)
        add_user(sql, "ada")
        add_task(sql)
        # A table of the host, too.
        run(
            sql,
            "CREATE TABLE badge (user_id INTEGER REFERENCES taskadmin_user ON DELETE CASCADE)",
        )
        run(sql, "INSERT INTO badge VALUES (1)")
        migrations.downgrade(app, "0001")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert rows(sql, "SELECT created_by FROM taskadmin_task") == [(1,)]
    assert rows(sql, "SELECT user_id FROM badge") == [(1,)]


@pytest.mark.databases("sqlite")
def test_results_stay_when_their_tasks_table_is_rebuilt(
    empty_database_url: URL, sql: Engine
) -> None:
    """A later revision that alters taskadmin_task must not delete its results by cascade."""
    with bare_app(empty_database_url) as app:
        with app.app_context():
            enforce_foreign_keys(app.extensions["sqlalchemy"].engine)
        migrations.upgrade(app)
        add_user(sql, "ada")
        add_task(sql)
        add_result(sql)
        with _migrating(app) as config:
            context = MigrationContext.configure(config.attributes["connection"])
            operations = Operations(context)
            with (
                context.begin_transaction(),
                operations.batch_alter_table("taskadmin_task", recreate="always") as batch,
            ):
                batch.drop_column("name")
    assert rows(sql, "SELECT task_id FROM taskadmin_task_result") == [(1,)]


def enforce_foreign_keys(engine: Engine) -> None:
    """As a careful host on SQLite does."""

    @event.listens_for(engine, "connect")
    def switch_on(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON")


def test_upgrades_at_once_all_succeed(empty_database_url: URL, empty: Flask) -> None:
    """Three containers start together on an empty database."""
    script = str(Path(__file__).with_name("migrate_once.py"))
    url = empty_database_url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, script, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    migrations.check(empty)


@pytest.mark.databases("postgresql")
def test_a_password_may_hold_any_character(postgresql: PostgresqlServer) -> None:
    """A per cent sign breaks what passes URLs through configuration files."""
    password = "50%s/@:#?%%(here)s"
    owner = URL.create(
        "postgresql+psycopg",
        username="taskadmin_test_percent",
        password=password,
        host=postgresql.url.host,
        port=postgresql.url.port,
    )
    url = postgresql.create()
    admin = create_engine(url)
    quoted = password.replace("'", "''").replace("%", "%%")
    try:
        with admin.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {owner.username} LOGIN PASSWORD '{quoted}'")
            connection.exec_driver_sql(f"GRANT ALL ON SCHEMA public TO {owner.username}")
        with bare_app(owner.set(database=url.database)) as app:
            migrations.upgrade(app)
            migrations.check(app)
    finally:
        with admin.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {owner.username}")
            connection.exec_driver_sql(f"DROP ROLE {owner.username}")
        admin.dispose()
        postgresql.drop(url)


def test_the_hosts_own_version_table_is_not_touched(empty: Flask, sql: Engine) -> None:
    """A host that uses Alembic keeps its revision, up and down."""
    run(sql, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    run(sql, "INSERT INTO alembic_version VALUES ('host-7')")
    migrations.upgrade(empty)
    migrations.check(empty)
    migrations.downgrade(empty, "base")
    assert rows(sql, "SELECT version_num FROM alembic_version") == [("host-7",)]


def test_tables_of_others_are_not_compared(empty: Flask, sql: Engine) -> None:
    """The check is about taskadmin's tables only."""
    run(sql, "CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
    migrations.upgrade(empty)
    migrations.check(empty)


def test_logging_is_left_to_the_host(empty: Flask) -> None:
    """Alembic's usual env.py switches every logger off that exists already."""
    ours, hosts = logging.getLogger("taskadmin.launcher"), logging.getLogger("host.shop")
    handlers = list(logging.getLogger().handlers)
    migrations.upgrade(empty)
    assert not ours.disabled
    assert not hosts.disabled
    assert logging.getLogger().handlers == handlers


def test_a_migration_says_nothing_on_the_terminal(
    empty: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    """What there is to say, the command line says."""
    migrations.upgrade(empty)
    migrations.check(empty)
    assert capsys.readouterr().out == ""


def test_the_audit_trail_only_grows(empty: Flask, sql: Engine) -> None:
    """Nobody changes or deletes an entry, whichever way they reach the database."""
    migrations.upgrade(empty)
    run(
        sql,
        "INSERT INTO taskadmin_audit"
        " (at, actor, source, action, subject_kind, subject_id, subject)"
        " VALUES (:at, 'ada', '127.0.0.1', 'created', 'task', 1, 'Task 1')",
        at=MOMENT,
    )
    for statement in (
        "UPDATE taskadmin_audit SET actor = 'eve'",
        "DELETE FROM taskadmin_audit",
    ):
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            run(sql, statement)
    assert rows(sql, "SELECT actor FROM taskadmin_audit") == [("ada",)]
    migrations.downgrade(empty, "0005")
    assert "taskadmin_audit" not in tables(sql)


def test_a_disabled_task_becomes_a_paused_one(empty: Flask, sql: Engine) -> None:
    """It is shown as paused, and can be resumed."""
    migrations.upgrade(empty, "0005")
    add_user(sql, "ada")
    add_task(sql)
    add_task(sql)
    run(sql, "UPDATE taskadmin_task SET enabled = false WHERE id = 1")
    migrations.upgrade(empty)
    assert rows(sql, "SELECT task_id, paused_by, note FROM taskadmin_pause") == [(1, None, None)]
