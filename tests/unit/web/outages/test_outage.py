"""Pages while the database is unreachable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session


@pytest.fixture
def problem() -> list[Exception]:
    """The database's error for all statements; empty if it works."""
    return []


@pytest.fixture(autouse=True)
def _database(app: Flask, problem: list[Exception]) -> Iterator[None]:
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine

    def refuse(*_: object) -> None:
        if problem:
            raise problem[0]

    event.listen(engine, "before_cursor_execute", refuse)
    yield
    event.remove(engine, "before_cursor_execute", refuse)


@pytest.mark.parametrize(
    "path", ["", "dashboard/", "tasks/", "tasks/new/", "runs/details/?id=1", "users/", "profile"]
)
def test_a_page_says_that_the_database_is_away(
    session: Session, superuser: FlaskClient, problem: list[Exception], path: str
) -> None:
    """In the layout, without a menu, and with Retry-After."""
    problem.append(OperationalError(None, None, OSError("Connection refused")))

    answer = superuser.get(f"/taskadmin/{path}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "<h1>The database is unavailable</h1>" in answer.text
    assert "The administrator can find the cause with this command." in answer.text
    assert "flask taskadmin doctor</code>" in answer.text
    assert "Connection refused" not in answer.text

    problem.clear()
    assert superuser.get("/taskadmin/tasks/").status_code == 200


def test_other_errors_than_outages_stay_errors(
    superuser: FlaskClient, problem: list[Exception]
) -> None:
    """It isn't shown as a temporary problem."""
    problem.append(DataError("SELECT 1", {}, ValueError("wrong")))

    with pytest.raises(DataError):
        superuser.get("/taskadmin/tasks/")
