"""Poolers that lose prepared statements; tests/integration/test_pgbouncer.py uses real ones."""

from __future__ import annotations

import pytest
from psycopg.errors import InvalidSqlStatementName
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from taskadmin.store.database.pooler import Pooling, note_unprepared, pooling


def test_a_database_without_a_pooler_is_harmless(engine: Engine) -> None:
    """Each connection is one server process, or SQLite."""
    assert pooling(engine) is Pooling.HARMLESS


@pytest.mark.databases("postgresql")
def test_nothing_is_prepared_any_more_once_a_statement_was_forgotten(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says once what to set."""
    forgotten = DBAPIError("SELECT", {}, InvalidSqlStatementName("gone"))
    note_unprepared(engine, DBAPIError("SELECT", {}, Exception("something else")))
    assert caplog.messages == []
    for _ in range(2):
        note_unprepared(engine, forgotten)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.prepare_threshold is None
        assert connection.scalar(text("SELECT 1")) == 1
    [said] = caplog.messages
    assert '"prepare_threshold": None' in said
