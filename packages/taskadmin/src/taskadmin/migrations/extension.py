"""``Migrations``: brings taskadmin's tables to a revision, beside the host's own Alembic.

Alembic is imported where it is used: that takes a tenth of a second, and a worker never migrates.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from ..errors import MigrationError
from ..state import get_state, register
from .filters import VERSION_TABLE
from .lock import migration_lock

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from flask import Flask


class Migrations:
    """Alembic migrations of taskadmin's tables, with a version table of their own.

    The functions below this class run them; ``flask taskadmin db`` calls those.
    """

    def init_app(self, app: Flask) -> None:
        """Make the migrations known to *app*; nothing is connected or migrated.

        Raises:
            RegistrationError: Without ``Models``, or on a second call.
        """
        register(app, "Migrations", needs=("Models",))


def upgrade(app: Flask, revision: str = "head") -> None:
    """Bring the schema up to *revision*; several processes may do so at once.

    Raises:
        MigrationError: If there is no such revision.
    """
    from alembic import command

    with _migrating(app) as config:
        command.upgrade(config, revision)


def downgrade(app: Flask, revision: str) -> None:
    """Take the schema back to *revision* (``base`` removes everything).

    Raises:
        MigrationError: If there is no such revision.
    """
    from alembic import command

    with _migrating(app) as config:
        command.downgrade(config, revision)


def current_revision(app: Flask) -> str | None:
    """The revision the database is at; None if taskadmin was never migrated there."""
    with _engine(app).connect() as connection:
        return _context(connection).get_current_revision()


def newest_revision() -> str:
    """The revision that this version of taskadmin needs."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # the package ships revisions
    return head


def is_ahead(revision: str | None) -> bool:
    """Whether *revision* is a later version's: while that is rolled out, this one goes on working.

    taskadmin's revisions are numbers, each one higher than the one before.
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


def _engine(app: Flask) -> Engine:
    db = get_state(app).db
    assert db is not None  # Migrations needs Models
    with app.app_context():
        return db.engine


def _config() -> Config:
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # what there is to say, the command line says
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
    with migration_lock(engine), engine.connect() as connection:
        config.attributes["connection"] = connection
        with _safe_ddl(connection):
            try:
                yield config
            except CommandError as error:
                raise MigrationError(str(error)) from error


@contextmanager
def _safe_ddl(connection: Connection) -> Iterator[None]:
    """Time limits on PostgreSQL; foreign keys off while SQLite rebuilds tables.

    With foreign_keys=ON, SQLite's way of altering a table (copy, drop, rename)
    deletes the rows that refer to it.
    """
    if connection.dialect.name == "postgresql":
        # Waiting for a lock blocks everybody who comes after us, so don't wait long.
        connection.execute(text("SELECT set_config('lock_timeout', '10s', false)"))
        connection.commit()
        try:
            yield
        finally:
            connection.rollback()
            connection.execute(text("RESET lock_timeout"))
            connection.commit()
        return
    if connection.dialect.name != "sqlite":
        yield
        return
    enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
    connection.commit()  # the pragma does nothing inside a transaction
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.commit()
    try:
        yield
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise MigrationError(
                f"{len(broken)} rows refer to rows that aren't there: {broken[:3]}."
            )
    finally:
        connection.rollback()
        if enforced:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
            connection.commit()
