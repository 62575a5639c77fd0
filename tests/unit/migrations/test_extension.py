"""Build and check the schema with migrations."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, create_engine

from services.rows.schema import TABLES, add_user, rows, run, tables
from services.servers.databases import bare_app
from services.servers.postgresql import PostgresqlServer
from taskadmin import migrations
from taskadmin.errors import MigrationError


def test_an_upgrade_builds_every_table(empty: Flask, sql: Engine) -> None:
    """And stores the revision in its own table."""
    assert migrations.current_revision(empty) is None
    migrations.upgrade(empty)
    assert tables(sql) == TABLES
    assert migrations.current_revision(empty) == migrations.newest_revision()


def test_the_schema_equals_the_models(empty: Flask) -> None:
    """A changed model needs a migration."""
    migrations.upgrade(empty)
    migrations.check(empty)


def test_a_difference_from_the_models_is_found(empty: Flask, sql: Engine) -> None:
    """Such as a manually altered table."""
    migrations.upgrade(empty)
    run(sql, "ALTER TABLE taskadmin_task ADD COLUMN mine INTEGER")
    with pytest.raises(MigrationError, match=r"remove_column.*mine"):
        migrations.check(empty)


@pytest.mark.parametrize("revision", [None, "0002"])
def test_an_old_schema_is_found(empty: Flask, revision: str | None) -> None:
    """The error has the upgrade command."""
    if revision is not None:
        migrations.upgrade(empty, revision)
    with pytest.raises(MigrationError) as caught:
        migrations.check(empty)
    assert str(caught.value) == (
        f"The database is at revision {revision or 'none'}, taskadmin needs"
        f" {migrations.newest_revision()}: run flask taskadmin db upgrade."
    )


def test_an_upgrade_of_the_newest_schema_does_nothing(empty: Flask, sql: Engine) -> None:
    """A site runs it at every start."""
    migrations.upgrade(empty)
    add_user(sql, "ada")
    migrations.upgrade(empty)
    assert rows(sql, "SELECT username FROM taskadmin_user") == [("ada",)]


@pytest.mark.parametrize("move", [migrations.upgrade, migrations.downgrade])
def test_an_unknown_revision_is_named(empty: Flask, move: Any) -> None:
    """Such as another version's, or a typing error."""
    with pytest.raises(MigrationError, match="'7777'"):
        move(empty, "7777")


@pytest.mark.databases("postgresql")
def test_a_password_may_hold_any_character(postgresql: PostgresqlServer) -> None:
    """A per cent sign would break a URL in a configuration file."""
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
    """A host with Alembic keeps its revision on upgrade and downgrade."""
    run(sql, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    run(sql, "INSERT INTO alembic_version VALUES ('host-7')")
    migrations.upgrade(empty)
    migrations.check(empty)
    migrations.downgrade(empty, "base")
    assert rows(sql, "SELECT version_num FROM alembic_version") == [("host-7",)]


def test_tables_of_others_are_not_compared(empty: Flask, sql: Engine) -> None:
    """The check covers only taskadmin's tables."""
    run(sql, "CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
    migrations.upgrade(empty)
    migrations.check(empty)


def test_logging_is_left_to_the_host(empty: Flask) -> None:
    """Alembic's usual env.py disables existing loggers."""
    ours, hosts = logging.getLogger("taskadmin.launcher"), logging.getLogger("host.shop")
    handlers = list(logging.getLogger().handlers)
    migrations.upgrade(empty)
    assert not ours.disabled
    assert not hosts.disabled
    assert logging.getLogger().handlers == handlers


def test_a_migration_says_nothing_on_the_terminal(
    empty: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line prints the messages."""
    migrations.upgrade(empty)
    migrations.check(empty)
    assert capsys.readouterr().out == ""
