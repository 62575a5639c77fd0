"""``Migrations``: migrate taskadmin's tables, independently of the host's own Alembic.

Alembic is imported on use: that takes a tenth of a second, and workers never migrate.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Engine, MetaData, Table, func, inspect, select, text
from sqlalchemy.exc import OperationalError

from ..errors import MigrationError
from ..models import Base
from ..state import get_state, register
from .filters import VERSION_TABLE
from .lock import migration_alone, remove_lock, use_schema

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from flask import Flask

#: Attempts of a migration that can't lock its tables, and seconds between them, in which running
#: processes execute what has waited.
_MAX_ATTEMPTS = 20
_PAUSE_SECONDS = 0.5
#: SQLSTATEs: lock_not_available, deadlock_detected.
_LOCKED = ("55P03", "40P01")


class Migrations:
    """Alembic migrations of taskadmin's tables, with their own version table.

    The functions below run them, for ``flask taskadmin db``.
    """

    def init_app(self, app: Flask) -> None:
        """Register the migrations on *app*, without connecting or migrating.

        Raises:
            RegistrationError: Without ``Models``, or on a second call.
        """
        register(app, "Migrations", needs=("Models",))


def upgrade(app: Flask, revision: str = "head") -> None:
    """Upgrade the schema to *revision*; several processes may call it at once.

    Raises:
        MigrationError: If the revision doesn't exist.
    """
    from alembic import command

    _move(app, command.upgrade, revision)


def downgrade(app: Flask, revision: str) -> None:
    """Downgrade the schema to *revision*; ``base`` removes everything.

    Raises:
        MigrationError: If the revision doesn't exist.
    """
    from alembic import command

    _move(app, command.downgrade, revision)


def _move(app: Flask, command: Callable[[Config, str], None], revision: str) -> None:
    """Run one of Alembic's commands; run it again if running processes have locked its tables.

    All revisions are one transaction, so an attempt that fails changes nothing.
    """
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            with _migrating(app) as config:
                command(config, revision)
        except OperationalError as error:
            locked = getattr(error.orig, "sqlstate", None) in _LOCKED
            if not locked or attempt == _MAX_ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def current_revision(app: Flask) -> str | None:
    """Return the database's revision; None if taskadmin was never migrated there."""
    with _reading(app) as connection:
        return _context(connection).get_current_revision()


def newest_revision() -> str:
    """Return the revision that this version of taskadmin needs."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # the package ships revisions
    return head


def is_ahead(revision: str | None) -> bool:
    """Whether *revision* is newer: during a rollout, this version keeps working with it.

    taskadmin's revisions are increasing numbers.
    """
    newest = newest_revision()
    return revision is not None and revision.isdigit() and int(revision) > int(newest)


def check(app: Flask) -> None:
    """Compare the database with the models.

    Raises:
        MigrationError: If the schema isn't at the newest revision, or differs from the models.
    """
    from alembic import command

    current, newest = current_revision(app), newest_revision()
    if current != newest:
        raise MigrationError(
            f"The database is at revision {current or 'none'}, taskadmin needs {newest}:"
            " run flask taskadmin db upgrade."
        )
    with _migrating(app) as config:
        command.check(config)


class ExistingTable(NamedTuple):
    """A table of taskadmin's in the database."""

    name: str
    rows: int


def existing_tables(app: Flask) -> Sequence[ExistingTable]:
    """Return the tables that exist, including the version table, with exact counts of rows.

    Raises:
        MigrationError: If the schema belongs to another version, which may have other tables.
    """
    with _reading(app) as connection:
        return [
            ExistingTable(
                table.name,
                connection.execute(select(func.count()).select_from(table)).scalar_one(),
            )
            for table in _existing(connection)
        ]


def drop_tables(app: Flask) -> None:
    """Drop all tables, including the version table.

    Raises:
        MigrationError: If the schema belongs to another version, which may have other tables; or if
            a table of the host refers to ours.
    """
    engine = _engine(app)
    with migration_alone(engine, _schema(app)) as connection:
        tables = _existing(connection)
        _refuse_if_referred_to(connection, {table.name for table in tables})
        Base.metadata.drop_all(connection, tables=tables)
        Table(VERSION_TABLE, MetaData()).drop(connection, checkfirst=True)
        if engine.dialect.name == "sqlite":
            connection.commit()
    remove_lock(engine)


def _existing(connection: Connection) -> list[Table]:
    revision, newest = _context(connection).get_current_revision(), newest_revision()
    if revision is not None and revision != newest:
        fix = (
            "uninstall with the version of taskadmin that it was upgraded for"
            if is_ahead(revision)
            else "run flask taskadmin db upgrade first"
        )
        raise MigrationError(
            f"The database is at revision {revision}, this version's is {newest}: {fix}."
        )
    names = {*inspect(connection).get_table_names()}
    tables = [*Base.metadata.sorted_tables, Table(VERSION_TABLE, MetaData())]
    return [table for table in tables if table.name in names]


def _refuse_if_referred_to(connection: Connection, ours: set[str]) -> None:
    """Refuse if the host's tables refer to taskadmin's, which SQLite would drop anyway."""
    inspector = inspect(connection)
    for schema in (None, *inspector.get_schema_names()):
        for (_, name), keys in inspector.get_multi_foreign_keys(schema=schema).items():
            for key in keys:
                # Without a schema: in the one whose tables are dropped.
                referred = None if key["referred_schema"] else key["referred_table"]
                if name not in ours and referred in ours:
                    raise MigrationError(
                        f"Your table {name} has a foreign key to {referred}: drop it first."
                    )


def _engine(app: Flask) -> Engine:
    db = get_state(app).db
    assert db is not None  # Migrations needs Models
    with app.app_context():
        return db.engine


def _schema(app: Flask) -> str | None:
    return get_state(app).settings.database_schema


@contextmanager
def _reading(app: Flask) -> Iterator[Connection]:
    """Yield a connection whose transaction is rolled back."""
    with _engine(app).connect() as connection:
        use_schema(connection, _schema(app))
        yield connection


def missing_schema(app: Flask) -> str | None:
    """Return how to create the schema of ``TASKADMIN_SCHEMA``; None if it is there, or not set."""
    schema = _schema(app)
    if schema is None:
        return None
    statement = text(
        "SELECT 'CREATE SCHEMA ' || quote_ident(:schema)"
        " || ' AUTHORIZATION ' || quote_ident(current_user) || ';'"
        " WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema)"
    )
    with _engine(app).connect() as connection:
        create: str | None = connection.execute(statement, {"schema": schema}).scalar()
    return create


def _config() -> Config:
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # the command line prints its own messages
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _context(connection: Connection) -> MigrationContext:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})


@contextmanager
def _migrating(app: Flask) -> Iterator[Config]:
    from alembic.util import CommandError

    engine = _engine(app)
    config = _config()
    fix = missing_schema(app)
    if fix is not None:
        raise MigrationError(
            f"The schema {_schema(app)!r} of TASKADMIN_SCHEMA doesn't exist. Create it: {fix}"
        )
    with migration_alone(engine, _schema(app)) as connection:
        config.attributes["connection"] = connection
        with _without_foreign_keys(connection):
            try:
                yield config
            except CommandError as error:
                raise MigrationError(str(error)) from error


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Disable foreign keys while SQLite rebuilds tables.

    With foreign_keys=ON, its way of altering a table (copy, drop, rename) deletes the rows that
    refer to it.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
    connection.commit()  # the pragma has no effect inside a transaction
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.commit()
    try:
        yield
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise MigrationError(f"{len(broken)} rows refer to missing rows: {broken[:3]}.")
    finally:
        connection.rollback()
        if enforced:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
            connection.commit()
