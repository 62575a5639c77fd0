"""Lock the database so that only one process migrates at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from ..errors import MigrationError

#: An arbitrary constant: "taskadmn" in ASCII.
_MIGRATION_LOCK_KEY = int.from_bytes(b"taskadmn", "big", signed=True)
_WAIT_SECONDS = 300
#: Maximum wait for a table lock: later queries on the table wait behind it. Below PostgreSQL's
#: deadlock_timeout (1 s), after which it would end one of two transactions, perhaps the other one.
_TABLE_MILLISECONDS = 500


@contextmanager
def migration_alone(engine: Engine, schema: str | None = None) -> Iterator[Connection]:
    """Yield a connection to migrate *schema* over, while no other process migrates this database.

    On PostgreSQL, everything is one transaction, and its lock and timeouts are transaction-scoped:
    behind PgBouncer's transaction pooling, session state would stay with a connection that others
    get. On SQLite, the lock is a file beside the database; an in-memory database belongs to one
    process anyway.

    Raises:
        MigrationError: If another migration takes longer than five minutes.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            # A process that waited for the lock must see the other's migration.
            connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                _lock(connection)
                use_schema(connection, schema)
                yield connection
    else:
        with _locked_file(engine), engine.connect() as connection:
            yield connection


def use_schema(connection: Connection, schema: str | None) -> None:
    """Let names without a schema mean those in *schema* only, until the transaction ends."""
    if schema is not None:
        path = text("SELECT set_config('search_path', quote_ident(:schema), true)")
        connection.execute(path, {"schema": schema})


def _lock(connection: Connection) -> None:
    limit = text("SELECT set_config('lock_timeout', :limit, true)")
    connection.execute(limit, {"limit": f"{_WAIT_SECONDS}s"})
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK_KEY})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
            raise
        raise _busy(connection.engine) from error
    connection.execute(limit, {"limit": f"{_TABLE_MILLISECONDS}ms"})


@contextmanager
def _locked_file(engine: Engine) -> Iterator[None]:
    path = _lock_path(engine)
    if path is None:
        yield
        return
    from filelock import FileLock, Timeout  # only for SQLite

    try:
        with FileLock(path, timeout=_WAIT_SECONDS):
            yield
    except Timeout as error:
        raise _busy(engine) from error


def remove_lock(engine: Engine) -> None:
    """Remove the file beside a SQLite database."""
    path = _lock_path(engine)
    if path is not None:
        path.unlink(missing_ok=True)


def _lock_path(engine: Engine) -> Path | None:
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        return None
    return Path(f"{database}.migration.lock")


def _busy(engine: Engine) -> MigrationError:
    return MigrationError(
        f"Another migration of {engine.url.database} has been running for {_WAIT_SECONDS} s;"
        " wait for it."
    )
