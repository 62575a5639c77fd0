"""One migration at a time, whoever starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from ..errors import MigrationError

#: Any constant will do; this one is "taskadmn" in ASCII.
_ADVISORY_KEY = int.from_bytes(b"taskadmn", "big", signed=True)
_WAIT_SECONDS = 300


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Wait until no other process migrates this database, and keep the others waiting.

    PostgreSQL: a session-level advisory lock on a connection of its own, since a
    transaction-level one is gone after the first revision. SQLite: a file beside
    the database; a database in memory belongs to one process anyway.

    Raises:
        MigrationError: If another migration takes longer than five minutes.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                text("SELECT set_config('lock_timeout', :t, false)"), {"t": f"{_WAIT_SECONDS}s"}
            )
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_KEY})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_KEY})
        return
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:":
        yield
        return
    from filelock import FileLock, Timeout  # only SQLite needs it

    try:
        with FileLock(f"{path}.migration.lock", timeout=_WAIT_SECONDS):
            yield
    except Timeout as error:
        raise MigrationError(
            f"Another migration of {path} has been running for {_WAIT_SECONDS} s; wait for it."
        ) from error
