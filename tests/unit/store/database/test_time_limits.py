"""Timeouts of sessions that users wait for."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from taskadmin.store.database.time_limits import (
    TimeLimits,
    is_limited,
    limit_statements,
    limit_time,
)

LIMITS = TimeLimits(statement_seconds=5, lock_seconds=2)


def limits(session: Session) -> tuple[str, str]:
    """Return the statement timeout and the lock timeout."""
    statement, lock = (
        session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")
    )
    return str(statement), str(lock)


@pytest.mark.databases("postgresql")
def test_each_transaction_is_limited_until_it_is_ended(session: Session) -> None:
    """Also the current one; later ones aren't limited."""
    session.execute(text("SELECT 1"))
    end = limit_time(session, LIMITS)
    assert is_limited(session)
    for _ in range(2):
        assert limits(session) == ("5s", "2s")
        session.rollback()
    end()
    assert not is_limited(session)
    assert limits(session) == ("0", "0")


@pytest.mark.databases("postgresql")
def test_a_shorter_limit_is_for_one_transaction(session: Session) -> None:
    """A limit longer than the session's has no effect."""
    end = limit_time(session, LIMITS)
    found = []
    for seconds in (1, 60):
        limit_statements(session, seconds=seconds)
        found.append(limits(session)[0])
        session.rollback()
    assert [*found, limits(session)[0]] == ["1s", "5s", "5s"]
    end()


@pytest.mark.databases("postgresql")
def test_a_statement_that_takes_longer_is_cancelled(session: Session) -> None:
    """The database cancels it."""
    limit_statements(session, seconds=0.05)
    with pytest.raises(OperationalError, match="statement timeout"):
        session.execute(text("SELECT pg_sleep(60)"))


@pytest.mark.databases("sqlite")
def test_sqlite_has_no_such_limits(session: Session) -> None:
    """No statement is sent."""
    end = limit_time(session, LIMITS)
    limit_statements(session, seconds=1)
    assert session.scalar(text("SELECT 1")) == 1
    end()


def test_the_last_statement_before_the_deadline_has_a_second() -> None:
    """It can still finish."""
    soon = TimeLimits(statement_seconds=5, lock_seconds=2, until=time.monotonic())
    late = TimeLimits(statement_seconds=5, lock_seconds=2, until=time.monotonic() + 60)
    assert (soon.left_seconds(), late.left_seconds(), LIMITS.left_seconds()) == (1.0, 5, 5)
