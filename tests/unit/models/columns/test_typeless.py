"""Values of SQLite columns are read with the column's type."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Table,
    create_engine,
    func,
    insert,
    select,
    text,
    union_all,
)
from sqlalchemy.types import TypeEngine

from taskadmin.models import UtcDateTime
from taskadmin.models.columns.stored_json import StoredJson
from taskadmin.models.columns.times import EARLIEST_STORED
from taskadmin.models.columns.typeless import (
    BigInteger,
    Boolean,
    Double,
    Integer,
    String,
    Text,
    Uuid,
)
from taskadmin.values.storable import UNREADABLE, UNREADABLE_NUMBER

GIVEN = UUID(int=7)
NO_UUID = uuid5(NAMESPACE_OID, "abc")
BROKEN = "CAST(x'61ff0062' AS TEXT)"


@pytest.fixture(params=["UTF-8", "UTF-16le", "UTF-16be"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database with this text encoding."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA encoding = '{request.param}'")
        yield connection
    engine.dispose()


def _made(connection: Connection, type_: TypeEngine[Any], value: str) -> Table:
    table = Table("t", MetaData(), Column("c", type_))
    table.create(connection)
    connection.exec_driver_sql(f"INSERT INTO t VALUES ({value})")
    return table


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (String(9), "'a'", "a"),
        (String(9), "''", ""),
        (Text(), "'ü' || char(0) || '😀'", "ü\0😀"),
        (String(9), "5", "5"),
        (Integer(), "5", 5),
        (Integer(), "'5'", 5),
        (BigInteger(), "-9223372036854775807", -(2**63) + 1),
        (BigInteger(), "'abc'", UNREADABLE_NUMBER),
        (Integer(), "0.5", UNREADABLE_NUMBER),
        (Integer(), "9e999", UNREADABLE_NUMBER),
        (Integer(), "x'35'", UNREADABLE_NUMBER),
        (Double(), "0.1", 0.1),
        (Double(), "1.7976931348623157e308", 1.7976931348623157e308),
        (Double(), "9e999", float("inf")),
        (Boolean(), "true", True),
        (Boolean(), "false", False),
        (Boolean(), "2", True),
        (Boolean(), "'abc'", False),
        (Boolean(), "x'01'", False),
        (Uuid(), f"'{GIVEN.hex}'", GIVEN),
        (Uuid(), "'abc'", NO_UUID),
        (UtcDateTime(), "'abc'", EARLIEST_STORED),
        (StoredJson(), "'{}'", {}),
        (StoredJson(), "'abc'", UNREADABLE),
        *((kind, "NULL", None) for kind in (Text(), Integer(), Double(), Boolean(), Uuid())),
    ],
)
def test_values_are_read(
    connection: Connection, type_: TypeEngine[Any], value: str, read: Any
) -> None:
    """Converted as far as possible, in queries, unions, aggregates and RETURNING."""
    table = _made(connection, type_, value)
    twice = union_all(select(table.c.c), select(table.c.c)).subquery()
    for query in (
        select(table.c.c),
        select(select(table.c.c).scalar_subquery()),
        select(twice.c.c),
        union_all(select(table.c.c), select(table.c.c)),
        select(func.max(table.c.c)).where(table.c.c.is_not(None)),
        insert(table).from_select(["c"], select(table.c.c)).returning(table.c.c),
    ):
        found = connection.scalars(query).first()
        assert (found, type(found)) == (read, type(read))
    assert connection.scalar(text("SELECT count(DISTINCT c) FROM t")) == (read is not None)


@pytest.mark.parametrize(
    ("type_", "read"),
    [
        (String(9), "a\\xff\0b"),
        (Text(), "a\\xff\0b"),
        (Integer(), UNREADABLE_NUMBER),
        (Boolean(), False),
        (Uuid(), uuid5(NAMESPACE_OID, "a\\xff\0b")),
        (UtcDateTime(), EARLIEST_STORED),
        (StoredJson(list), [UNREADABLE]),
    ],
)
def test_bytes_that_are_no_text_are_spelt_out(type_: TypeEngine[Any], read: Any) -> None:
    """In a UTF-8 database; SQLite repairs other encodings itself."""
    with create_engine("sqlite://").connect() as connection:
        table = _made(connection, type_, BROKEN)
        assert connection.scalar(select(table.c.c)) == read
        connection.execute(table.delete())
        connection.exec_driver_sql("INSERT INTO t VALUES (x'61ff0062')")
        assert connection.scalar(select(table.c.c)) == read


def test_invalid_numbers_are_nan_in_float_columns(connection: Connection) -> None:
    """Like NaN on PostgreSQL, for charts and pages."""
    table = _made(connection, Double(), "'abc'")
    assert isnan(connection.scalars(select(table.c.c)).one())


def test_an_unreadable_number_counts_as_zero_and_says_so() -> None:
    """Calculations don't fail."""
    assert UNREADABLE_NUMBER + 1 == 1
    assert f"{UNREADABLE_NUMBER} {UNREADABLE_NUMBER:,}" == "can't be shown can't be shown"


def test_postgresql_reads_columns_as_they_are() -> None:
    """Without the expressions for SQLite."""
    kinds = (String, Text, Integer, BigInteger, Double, Boolean, Uuid)
    table = Table("t", MetaData(), *(Column(f"c{n}", kind()) for n, kind in enumerate(kinds)))
    written = {
        url: str(select(table).compile(dialect=create_engine(url).dialect))
        for url in ("sqlite://", "postgresql+psycopg://")
    }
    assert [sql.count("AS BLOB") + sql.count("CASE") for sql in written.values()] == [7, 0]
