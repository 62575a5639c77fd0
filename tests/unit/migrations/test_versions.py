"""Upgrade and downgrade with rows in the tables."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import URL, Engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.rows.schema import LATER, MOMENT, TABLES, add_user, rows, run, tables
from services.servers.databases import bare_app
from taskadmin import migrations
from taskadmin.migrations import VERSION_TABLE
from taskadmin.migrations.extension import _migrating
from taskadmin.models import Base


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


def test_up_down_and_up_with_rows(empty: Flask, sql: Engine) -> None:
    """Each downgrade drops only its own tables; other rows stay."""
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
    """Dropping the column that marks it deletes the task and its results."""
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
    """With rows in every table; the host's tables stay."""
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
    """Existing users can't review; a downgrade keeps them and their tasks."""
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


def test_constraints_and_ids_survive_going_back(empty: Flask, sql: Engine) -> None:
    """SQLite rebuilds the table to drop a column; ids aren't reused (AUTOINCREMENT)."""
    migrations.upgrade(empty, "0002")
    for name in ("ada", "bob"):
        add_user(sql, name)
    migrations.downgrade(empty, "0001")
    with pytest.raises(IntegrityError):
        add_user(sql, "ada")
    run(sql, "DELETE FROM taskadmin_user WHERE username = 'bob'")
    add_user(sql, "cy")
    found = rows(sql, "SELECT username FROM taskadmin_user WHERE id <> 2 ORDER BY id")
    assert found == [("ada",), ("cy",)]


@pytest.mark.databases("sqlite")
def test_rows_that_refer_to_an_altered_table_stay(empty_database_url: URL, sql: Engine) -> None:
    """With foreign_keys=ON, altering a table on SQLite would delete them."""
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
    """Altering taskadmin_task must not delete its results by cascade."""
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
    """Enable foreign keys, as hosts on SQLite may do."""

    @event.listens_for(engine, "connect")
    def switch_on(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON")


def test_the_audit_trail_only_grows(empty: Flask, sql: Engine) -> None:
    """The database refuses to change or delete entries."""
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


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("built_by", ["migrations", "models"])
def test_runs_are_stored_with_room_for_their_end(empty: Flask, sql: Engine, built_by: str) -> None:
    """Half of each page is free, and vacuum runs early; schema checks don't compare this."""
    if built_by == "migrations":
        migrations.upgrade(empty)
    else:
        Base.metadata.create_all(sql)
    found = rows(sql, "SELECT reloptions FROM pg_class WHERE relname = 'taskadmin_task_result'")
    assert found == [(["fillfactor=50", "autovacuum_vacuum_scale_factor=0.02"],)]
    found = rows(
        sql,
        "SELECT reloptions FROM pg_class WHERE relname = 'taskadmin_task_result_finished_at_idx'",
    )
    assert found == [(["pages_per_range=32", "autosummarize=true"],)]


def test_users_get_skeletons_that_twins_share(empty: Flask, sql: Engine) -> None:
    """Of names that look alike, the first has it: all can log in, and no third can register."""
    migrations.upgrade(empty, "0012")
    for name in ("paypal", "paypaI", "\u0440\u0430\u0443pal", "ada"):
        add_user(sql, name)

    migrations.upgrade(empty)

    found = rows(sql, "SELECT username, username_skeleton FROM taskadmin_user ORDER BY id")
    assert [skeleton for _, skeleton in found] == ["paypal", None, None, "ada"]
    migrations.downgrade(empty, "0012")
    assert len(rows(sql, "SELECT id FROM taskadmin_user")) == 4
    migrations.upgrade(empty)
    migrations.check(empty)
