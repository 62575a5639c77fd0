"""Transactions, and single statements that autocommit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Boolean, Connection, CursorResult, Engine, Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from .outage import first_line, wants_fresh_connection
from .pooler import note_unprepared
from .time_limits import is_limited, limit_statements

log = logging.getLogger("taskadmin.store")

#: Give up on a lock after 10 s.
_SET_LOCK_TIMEOUT = "set_config('lock_timeout', '10s', true)"
#: A process suspended inside a transaction must not hold its locks forever.
_SET_TIMEOUTS = text(
    f"SELECT {_SET_LOCK_TIMEOUT}, set_config('idle_in_transaction_session_timeout', '30s', true)"
)


class lock_timeout(FunctionElement[bool]):  # noqa: N801 - written like an SQL function
    """A condition that is true and sets a lock timeout, for a ``single_statement`` with row locks.

    PostgreSQL evaluates conditions before it locks rows. A statement that is sent alone has no
    other place for a setting, and a transaction around it costs three more round trips: with
    transactions around reading and recording, a message of twenty runs took 7 ms instead of 4.
    """

    type = Boolean()
    inherit_cache = True


@compiles(lock_timeout)
def _limit(element: object, compiler: object, **kw: object) -> str:
    return f"(SELECT {_SET_LOCK_TIMEOUT}) IS NOT NULL"


@compiles(lock_timeout, "sqlite")
def _no_limit(element: object, compiler: object, **kw: object) -> str:
    return "TRUE"


def changed_rows(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE, and return how many rows it changed.

    Rows that the session has read aren't brought up to date.
    """
    done = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(done, CursorResult)  # of statements that return no rows
    return done.rowcount


def end_reading(session: Session) -> None:
    """Commit a transaction in which workers or launchers only read.

    A rollback would make psycopg forget its prepared statements, and PostgreSQL would plan them
    again for every run.
    """
    session.commit()


def end_failed(session: Session, error: BaseException) -> None:
    """Roll back; drop the connection if *error* says that it is unusable."""
    bind = session.get_bind()
    # A session that is bound to a connection can't get another one.
    if wants_fresh_connection(error) and isinstance(bind, Engine):
        session.invalidate()
        note_unprepared(bind, error)
    else:
        session.rollback()


def close(session: Session) -> None:
    """Close *session*; if its connection died, log it and drop the connection: nothing is lost."""
    try:
        session.close()
    except DBAPIError as error:
        log.warning("A connection died after its work was done: %s", first_line(error))
        session.invalidate()


@contextmanager
def reading(session: Session, *, seconds: float) -> Iterator[None]:
    """Roll back after reading; PostgreSQL cancels statements that are slow or wait for a lock."""
    try:
        limit_statements(session, seconds=seconds)
        yield
    finally:
        session.rollback()


@contextmanager
def ledger_transaction(session: Session) -> Iterator[None]:
    """Commit the block's changes, or roll back if it raises.

    PostgreSQL gets a lock timeout and an idle timeout; SQLite takes its write lock at once, because
    a transaction that has read something can't wait for the lock later.
    """
    try:
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            if not is_limited(session):
                connection.execute(_SET_TIMEOUTS)
        elif connection.dialect.name == "sqlite":
            raw = connection.connection.dbapi_connection
            # The host may begin transactions itself (SQLAlchemy's recipe for pysqlite).
            if not getattr(raw, "in_transaction", False):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        session.commit()
    except BaseException as error:
        end_failed(session, error)
        raise


@contextmanager
def single_statement(session: Session) -> Iterator[Connection | Session]:
    """Yield a connection that executes one statement in a transaction of its own.

    PostgreSQL autocommits it: recording a run takes one round trip instead of five, a suspended
    process holds no lock in between, and the session needn't begin a transaction. Inside a
    transaction that has begun, and on SQLite, where writers must take the lock first, this is a
    ``ledger_transaction``.
    """
    engine = _free_engine(session)
    if engine is None:
        with ledger_transaction(session):
            yield session
    else:
        with _autocommitting(engine) as connection:
            yield connection


@contextmanager
def single_reading(session: Session) -> Iterator[Connection | Session]:
    """Yield a connection for one statement that only reads: one round trip instead of three."""
    engine = _free_engine(session)
    if engine is None:
        yield session
        end_reading(session)
    else:
        with _autocommitting(engine) as connection:
            yield connection


@contextmanager
def _autocommitting(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        try:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except DBAPIError as error:
            if wants_fresh_connection(error):
                connection.invalidate()
                note_unprepared(engine, error)
            raise


def _free_engine(session: Session) -> Engine | None:
    """Return PostgreSQL's engine, unless the session has a connection checked out."""
    bind = session.get_bind()
    if not isinstance(bind, Engine) or session.in_transaction():
        return None  # sessions in a host's tests are often bound to a connection
    return bind if bind.dialect.name == "postgresql" else None
