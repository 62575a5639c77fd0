"""Errors in steps of a turn, and their effect on other steps."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from taskadmin.queue.launcher.step_errors import StepErrors

pytestmark = pytest.mark.databases("postgresql")


def fail(session: Session, code: str) -> None:
    session.execute(text(f"DO $$BEGIN RAISE EXCEPTION '{code}' USING ERRCODE = '{code}'; END$$"))


def test_an_outage_ends_the_turn(session: Session) -> None:
    """All other steps would fail, too."""
    with pytest.raises(DBAPIError), StepErrors(session).collect("prune"):
        fail(session, "57P03")


@pytest.mark.parametrize("code", ["40P01", "26000", "42P05"])
def test_errors_of_the_connection_are_left_to_the_next_turn(
    session: Session, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """It is logged in one line; the turn's other steps are done."""
    errors = StepErrors(session)
    with errors.collect("prune"):
        fail(session, code)
    with errors.collect("close launches"):
        assert session.scalar(select(1)) == 1
    errors.raise_first()
    (said,) = (record for record in caplog.records if record.name == "taskadmin.launcher")
    assert said.getMessage() == f"The next turn will prune: {code}"
    assert said.exc_info is None


def test_a_missing_privilege_is_logged_once(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a traceback on every tick; it is also recorded for the pages."""
    noted: list[str] = []
    for _ in range(3):
        errors = StepErrors(session, noted.append)
        assert not errors.lacks_right
        with errors.collect("count"):
            session.execute(text("SET LOCAL ROLE pg_monitor"))
            session.execute(text("DELETE FROM taskadmin_minute_count"))
        errors.raise_first()
        assert errors.lacks_right
    (said,) = (record.getMessage() for record in caplog.records)
    denied = "permission denied for table taskadmin_minute_count"
    assert said == f"The launcher could not count: {denied}"
    assert noted == [denied] * 3


@pytest.mark.parametrize("code", ["54001", "22003", "42703"])
def test_permanent_errors_are_logged_and_raised_at_the_end(
    session: Session, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """It isn't retried, and other steps are done."""
    errors = StepErrors(session)
    with errors.collect("prune"):
        fail(session, code)
    with pytest.raises(DBAPIError, match=code):
        errors.raise_first()
    assert "The launcher could not prune; it continues with the rest" in caplog.text
