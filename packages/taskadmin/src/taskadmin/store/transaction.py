"""Transactions of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Boolean, Connection, Engine, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

#: Nobody waits for a lock for longer without a word in the log.
_LOCK_TIMEOUT = "set_config('lock_timeout', '10s', true)"
#: A process that is stopped inside a transaction must not hold its locks for ever.
_LIMITS = f"SELECT {_LOCK_TIMEOUT}, set_config('idle_in_transaction_session_timeout', '30s', true)"
#: Rows that are named by their ids are looked up in the index of ids, and joined with what belongs
#: to each by a hash. A table that has just grown to many times its size has no statistics yet that
#: would say so, and PostgreSQL would read all of it, or compare each with each.
_BY_ID = (
    "set_config('enable_seqscan', 'off', true), set_config('enable_nestloop', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
_LIMITED, _LIMITED_BY_ID = text(_LIMITS), text(f"{_LIMITS}, {_BY_ID}")
_LOOKED_UP = text(f"SELECT {_BY_ID}")
_UNCOMPILED = text("SELECT set_config('jit', 'off', true)")


class waits_shortly(FunctionElement[bool]):  # noqa: N801 - written like an SQL function
    """True, as a condition of a ``single_statement`` that changes rows.

    It limits how long the statement waits for a row's lock: PostgreSQL looks at conditions
    before it locks. There is no other place for a setting in a statement that is sent alone.
    """

    type = Boolean()
    inherit_cache = True


@compiles(waits_shortly)
def _limit(element: Any, compiler: Any, **kw: Any) -> str:
    return f"{_LOCK_TIMEOUT} IS NOT NULL"


@compiles(waits_shortly, "sqlite")
def _no_limit(element: Any, compiler: Any, **kw: Any) -> str:
    return "TRUE"


def look_up_by_id(session: Session) -> None:
    """Let the rest of this transaction find rows by their ids, not by reading whole tables."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOOKED_UP)


def read_uncompiled(session: Session) -> None:
    """Let PostgreSQL run the rest of this transaction's queries as they are (``jit`` off).

    It compiles a query that it expects to cost much, which takes 50 ms: more than a query of a
    page that reads a bounded number of rows, whose bounds it doesn't see.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_UNCOMPILED)


def end_reading(session: Session) -> None:
    """End a transaction in which only this package read: workers and launchers, at their own work.

    By a commit: with each rollback psycopg forgets the statements that it has prepared, and
    PostgreSQL would plan them anew for every run.
    """
    session.commit()


@contextmanager
def reading(session: Session, *, seconds: float) -> Iterator[None]:
    """A transaction that ends without a change; PostgreSQL gives up on slow or locked statements."""
    try:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT set_config('statement_timeout', :limit, true)"),
                {"limit": f"{seconds * 1000:.0f}"},
            )
        yield
    finally:
        session.rollback()


@contextmanager
def ledger_transaction(session: Session, *, by_id: bool = False) -> Iterator[None]:
    """Commit what the block does, or roll it back if it raises.

    PostgreSQL gets limits for waiting and for idling; SQLite takes its write lock
    at once, because a transaction that reads first can't wait for the lock later.

    Args:
        by_id: Whether rows are only found by their ids, as ``look_up_by_id`` has it.
    """
    try:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(_LIMITED_BY_ID if by_id else _LIMITED)
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


@contextmanager
def single_statement(session: Session) -> Iterator[Connection | Session]:
    """What executes one statement in a transaction of its own.

    PostgreSQL commits it by itself: a run's recording takes one round trip then instead of five,
    no process that is stopped holds a lock between them, and the session needn't begin anything.
    It can't inside a transaction that has begun, nor where writers have to say so before
    (SQLite): there it is a ``ledger_transaction``.
    """
    engine = _free_engine(session)
    if engine is None:
        with ledger_transaction(session):
            yield session
    else:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def single_reading(session: Session) -> Iterator[Connection | Session]:
    """The same for a statement that only reads: one round trip instead of three."""
    engine = _free_engine(session)
    if engine is None:
        yield session
        end_reading(session)
    else:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _free_engine(session: Session) -> Engine | None:
    """PostgreSQL's engine, where the session has no connection of it at the moment."""
    bind = session.get_bind()
    if not isinstance(bind, Engine) or session.in_transaction():
        return None  # a session of a host's tests is often bound to a connection
    return bind if bind.dialect.name == "postgresql" else None
