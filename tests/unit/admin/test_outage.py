"""Pages while the database is away: a page in words, which says when to try again."""

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
    """What the database answers to everything; empty: it works."""
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
    """In the frame, without anybody's menu, and with when to try again."""
    problem.append(OperationalError("SELECT 1", {}, OSError("Connection refused")))

    answer = superuser.get(f"/taskadmin/{path}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "<h1>The database is away</h1>" in answer.text
    assert "Connection refused" not in answer.text

    problem.clear()
    assert superuser.get("/taskadmin/tasks/").status_code == 200


def test_what_is_no_outage_stays_an_error(superuser: FlaskClient, problem: list[Exception]) -> None:
    """It isn't hidden behind words that would pass by themselves."""
    problem.append(DataError("SELECT 1", {}, ValueError("wrong")))

    with pytest.raises(DataError):
        superuser.get("/taskadmin/tasks/")
