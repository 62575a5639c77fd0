"""Kinds of database errors, with real errors of both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from taskadmin.models import Launch
from taskadmin.store.database.outage import (
    ErrorKind,
    first_line,
    is_canceled,
    is_damaged,
    is_outage,
    is_unwritable,
    kind_of,
    wants_fresh_connection,
)

WAIT, RECONNECT = ErrorKind.WAIT, ErrorKind.RECONNECT
NO_RIGHT, REFUSED, OTHER = ErrorKind.NO_RIGHT, ErrorKind.REFUSED, ErrorKind.OTHER

#: By the longest matching prefix; others are OTHER.
SQLSTATES = {
    **dict.fromkeys(("08", "53", "57P", "55P03", "57014", "25006"), WAIT),
    **dict.fromkeys(("25", "26000", "42P05", "40"), RECONNECT),
    "42501": NO_RIGHT,
    **dict.fromkeys(("22", "23", "54"), REFUSED),
}
KNOWN = sorted(
    {
        kind.sqlstate
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate
    }
)


def expected(code: str) -> ErrorKind:
    fitting = [known for known in SQLSTATES if code.startswith(known)]
    return SQLSTATES[max(fitting, key=len)] if fitting else OTHER


def raised(do: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what the tests look at
        do()
    return caught.value


@pytest.mark.databases("postgresql")
def test_every_sqlstate_of_postgresql_has_its_kind(engine: Engine) -> None:
    """Independent of the driver's exception class; the server raises each of them."""
    assert len(KNOWN) > 200
    found = {}
    with engine.connect() as connection:
        for code in KNOWN:
            if code[2:] == "000" and code[:2] in ("00", "01", "02"):
                continue  # no errors
            statement = f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END$$"
            error = raised(partial(connection.exec_driver_sql, statement))
            found[code] = kind_of(error)
            assert is_outage(error) == (found[code] in (WAIT, RECONNECT))
            connection.rollback()

    assert found == {code: expected(code) for code in found}


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["SELECT 1/0"], REFUSED),
        (["SELECT CAST(repeat('[', 100000) AS json)"], REFUSED),  # 54001, an OperationalError
        (["INSERT INTO taskadmin_user (id) VALUES (1)"], REFUSED),
        (["SELECT nothing FROM taskadmin_task"], OTHER),
        (["SET LOCAL ROLE pg_monitor", "SELECT * FROM taskadmin_user"], NO_RIGHT),
        (["SET LOCAL statement_timeout = 10", "SELECT pg_sleep(9)"], WAIT),
        (["SET TRANSACTION READ ONLY", "DELETE FROM taskadmin_task"], WAIT),
        (["EXECUTE nobody_prepared_this"], RECONNECT),
        (["PREPARE twice AS SELECT 1", "PREPARE twice AS SELECT 1"], RECONNECT),
        (["SELECT pg_terminate_backend(pg_backend_pid())"], WAIT),
    ],
)
def test_errors_of_postgresql(engine: Engine, statements: list[str], kind: ErrorKind) -> None:
    """Errors of statements that cause them."""
    with engine.connect() as connection:
        for statement in statements[:-1]:
            connection.exec_driver_sql(statement)
        error = raised(lambda: connection.exec_driver_sql(statements[-1]))

    assert kind_of(error) is kind
    assert is_canceled(error) == ("pg_sleep" in statements[-1])


@pytest.mark.databases("postgresql")
def test_a_lock_that_is_not_given_in_time_is_waited_for(engine: Engine) -> None:
    """Its holder releases it at some time."""
    with engine.connect() as one, engine.connect() as other:
        one.exec_driver_sql("LOCK taskadmin_task")
        other.exec_driver_sql("SET LOCAL lock_timeout = 10")
        error = raised(lambda: other.exec_driver_sql("SELECT * FROM taskadmin_task"))
    assert kind_of(error) is WAIT


@pytest.mark.databases("postgresql")
def test_a_transaction_that_failed_wants_another(engine: Engine) -> None:
    """Errors after a failed statement (25P02 or SQLAlchemy's) aren't errors of their own."""
    with engine.connect() as connection:
        raised(lambda: connection.exec_driver_sql("SELECT 1/0"))
        assert kind_of(raised(lambda: connection.exec_driver_sql("SELECT 1"))) is RECONNECT
        connection.rollback()
        raised(lambda: connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert kind_of(raised(lambda: connection.exec_driver_sql("SELECT 1"))) is RECONNECT


@pytest.mark.parametrize("where", ["127.0.0.1:1", "nowhere.invalid"])
def test_a_server_that_can_not_be_reached_is_waited_for(where: str) -> None:
    """The error has no SQLSTATE."""
    engine = create_engine(f"postgresql+psycopg://{where}/any")
    error = raised(engine.connect)
    assert kind_of(error) is WAIT
    assert first_line(error)


@pytest.mark.databases("postgresql")
def test_a_database_that_is_not_there_is_waited_for(database_url: URL) -> None:
    """It may be in the middle of a restore."""
    engine = create_engine(database_url.set(database="nowhere"))
    assert kind_of(raised(engine.connect)) is WAIT


def test_a_pool_without_a_free_connection_is_waited_for() -> None:
    """Other users return their connections."""
    assert kind_of(PoolTimeout("QueuePool limit reached")) is WAIT


def many_parameters(connection: Connection) -> Any:
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    statement = f"SELECT 1 WHERE 1 IN ({','.join([mark] * 270_000)})"
    return connection.exec_driver_sql(statement, tuple(range(270_000)))


def with_value(value: Any) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(
        text(f"SELECT CAST(:value AS {'bigint' if isinstance(value, int) else 'text'})"),
        {"value": value},
    )


@pytest.mark.parametrize(
    ("do", "kind"),
    [
        (with_value("\udc80"), REFUSED),
        (with_value(10**30), REFUSED),
        (many_parameters, OTHER),  # psycopg: an OperationalError without SQLSTATE
    ],
    ids=["half a surrogate pair", "a large integer", "too many parameters"],
)
def test_errors_before_the_database_is_reached(
    engine: Engine, do: Callable[[Connection], Any], kind: ErrorKind
) -> None:
    """The drivers' own errors aren't outages."""
    with engine.connect() as connection:
        error = raised(lambda: do(connection))
    assert kind_of(error) is kind


@pytest.mark.databases("postgresql")
def test_a_nul_is_refused(engine: Engine) -> None:
    """The driver refuses it without an SQLSTATE."""
    with engine.connect() as connection:
        assert kind_of(raised(lambda: with_value("a\0b")(connection))) is REFUSED


def test_values_that_sqlalchemy_cannot_convert_are_refused(session: Session) -> None:
    """Storing it isn't retried."""
    session.add(Launch(kind="manual", opened_at="yesterday"))
    error = raised(session.flush)
    assert kind_of(error) is REFUSED


# SQLite

SQLITE_KINDS = {
    **dict.fromkeys(
        ("BUSY", "LOCKED", "PROTOCOL", "INTERRUPT", "NOMEM", "IOERR", "FULL", "READONLY"), WAIT
    ),
    "CANTOPEN": WAIT,
    **dict.fromkeys(("ABORT", "SCHEMA"), RECONNECT),
    **dict.fromkeys(("PERM", "AUTH"), NO_RIGHT),
    **dict.fromkeys(("TOOBIG", "CONSTRAINT", "MISMATCH", "RANGE"), REFUSED),
    **dict.fromkeys(
        ("ERROR", "INTERNAL", "CORRUPT", "NOTFOUND", "EMPTY", "MISUSE", "NOLFS", "FORMAT"), OTHER
    ),
    "NOTADB": OTHER,
}
EXTENDED = {"READONLY_DBMOVED": RECONNECT}


def all_sqlite_codes() -> dict[str, int]:
    """Return the error codes of Python's module, including extended ones."""
    other = ("OK", "ROW", "DONE", "NOTICE", "WARNING", "DENY", "IGNORE", "LIMIT", "CREATE", "DROP")
    names = [name.removeprefix("SQLITE_") for name in vars(sqlite3) if name.startswith("SQLITE_")]
    return {
        name: getattr(sqlite3, f"SQLITE_{name}")
        for name in names
        if name.split("_")[0] in SQLITE_KINDS and not name.startswith(other)
    }


@pytest.mark.parametrize(("name", "code"), all_sqlite_codes().items())
def test_every_code_of_sqlite_has_its_kind(name: str, code: int) -> None:
    """Extended codes have the kind of their primary code."""
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    wrapped = DBAPIError.instance("UPDATE", {}, error, sqlite3.Error)
    assert kind_of(wrapped) is EXTENDED.get(name, SQLITE_KINDS[name.split("_")[0]])
    assert is_damaged(wrapped) == name.startswith(("CORRUPT", "NOTADB"))
    assert is_unwritable(wrapped) == (
        name.startswith(("FULL", "READONLY")) and name not in EXTENDED
    )


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["PRAGMA query_only = 1", "DELETE FROM taskadmin_task"], WAIT),
        (
            [
                "CREATE TABLE t (x)",
                "PRAGMA max_page_count = 1",
                "INSERT INTO t SELECT zeroblob(9999999)",
            ],
            WAIT,
        ),
        (["INSERT INTO taskadmin_user (id) VALUES (1)"], REFUSED),
        (["CREATE TABLE m (x INTEGER PRIMARY KEY)", "INSERT INTO m VALUES ('a')"], REFUSED),
        (["SELECT zeroblob(2000000000)"], REFUSED),
        (["SELECT nothing FROM taskadmin_task"], OTHER),
        (["SELECT CAST(x'ff' AS text)"], OTHER),  # Python's own OperationalError, without a code
    ],
)
def test_errors_of_sqlite(engine: Engine, statements: list[str], kind: ErrorKind) -> None:
    """Errors of statements that cause them."""
    with engine.connect() as connection:
        for statement in statements[:-1]:
            connection.exec_driver_sql(statement)
        error = raised(lambda: connection.exec_driver_sql(statements[-1]).all())
    assert kind_of(error) is kind


@pytest.mark.databases("sqlite")
def test_a_locked_file_is_waited_for(engine: Engine, database_url: URL) -> None:
    """The writer releases it at some time."""
    impatient = create_engine(database_url, connect_args={"timeout": 0})
    with engine.connect() as one, impatient.connect() as other:
        one.exec_driver_sql("BEGIN IMMEDIATE")
        error = raised(lambda: other.exec_driver_sql("BEGIN IMMEDIATE"))
    impatient.dispose()
    assert kind_of(error) is WAIT


def test_a_file_that_can_not_be_opened_is_waited_for(tmp_path: Path) -> None:
    """Its disk may be mounted later."""
    assert kind_of(raised(create_engine(f"sqlite:///{tmp_path}/no/file").connect)) is WAIT


def test_a_file_that_is_no_database_is_no_outage(tmp_path: Path) -> None:
    """Waiting doesn't fix it."""
    (tmp_path / "text").write_text("This is no database. " * 100)
    engine = create_engine(f"sqlite:///{tmp_path}/text")
    with engine.connect() as connection:
        error = raised(lambda: connection.exec_driver_sql("SELECT * FROM sqlite_master"))
    assert kind_of(error) is OTHER


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("code", "wanted"), [("26000", True), ("40P01", True), ("25006", True), ("55P03", False)]
)
def test_another_connection_may_serve(engine: Engine, code: str, wanted: bool) -> None:
    """After a failover, a pooled connection may lead to a server that is now a standby."""
    statement = f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END$$"
    with engine.connect() as connection:
        error = raised(lambda: connection.exec_driver_sql(statement))
    assert wants_fresh_connection(error) is wanted
    assert is_unwritable(error) is (code == "25006")
    assert not is_damaged(error)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_errors_of_others_are_none_of_the_databases(error: BaseException) -> None:
    """Exceptions of jobs and of the host aren't retried."""
    assert kind_of(error) is OTHER
