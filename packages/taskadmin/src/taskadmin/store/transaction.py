"""Transactions of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

#: A process that is stopped inside a transaction must not hold its locks for ever.
_LIMITS = text(
    "SELECT set_config('lock_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '30s', true)"
)
#: Rows that are named by their ids are looked up one by one. A table that has just grown to many
#: times its size has no statistics yet that would say so, and PostgreSQL would read all of it.
_BY_ID = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)


def look_up_by_id(session: Session) -> None:
    """Let the rest of this transaction find rows by their ids, not by reading whole tables."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_BY_ID)


@contextmanager
def ledger_transaction(session: Session) -> Iterator[None]:
    """Commit what the block does, or roll it back if it raises.

    PostgreSQL gets limits for waiting and for idling; SQLite takes its write lock
    at once, because a transaction that reads first can't wait for the lock later.
    """
    try:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(_LIMITS)
        elif connection.dialect.name == "sqlite":
            raw = connection.connection.dbapi_connection
            # A host may begin transactions itself (SQLAlchemy's recipe for pysqlite).
            if not getattr(raw, "in_transaction", False):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise
