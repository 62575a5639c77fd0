"""Expressions that PostgreSQL and SQLite write differently."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Double, literal, select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.models import TaskResult, User
from taskadmin.store.database.dialect import (
    bucket_of,
    given_rows,
    insert_with_conflicts,
    is_one_of,
    list_of,
)


@pytest.mark.parametrize("number", [0, 1, 40_000])
def test_rows_are_found_by_any_number_of_ids(
    session: Session, make_user: MakeUser, number: int
) -> None:
    """On PostgreSQL, more than SQLite's limit of parameters (32,766)."""
    if session.get_bind().dialect.name == "sqlite":
        number = min(number, 30_000)
    ids = {make_user(name).id for name in ("ada", "bob")}
    wanted = range(min(ids), min(ids) + number)
    found = session.scalars(select(User.id).where(is_one_of(session, User.id, wanted)))
    assert set(found) == ids & set(wanted)


def test_a_column_comes_as_one_text(session: Session, make_user: MakeUser) -> None:
    """As a JSON list, in any order."""
    ids = [make_user(name).id for name in ("ada", "bob")]
    assert (
        sorted(json.loads(session.scalars(select(list_of(session, User.__table__.c.id))).one()))
        == ids
    )


def test_a_row_that_is_there_already_is_no_error(session: Session, make_user: MakeUser) -> None:
    """If the statement allows it."""
    ada = make_user("ada")
    columns = {one.name: getattr(ada, one.name) for one in User.__table__.columns}
    insert = insert_with_conflicts(session, User.__table__).values(columns)
    assert session.scalars(insert.on_conflict_do_nothing().returning(User.id)).all() == []


def test_a_bound_is_part_of_its_bucket(session: Session) -> None:
    """The last bucket has none; different bounds are different statements."""
    numbers = (0.0, 0.1, 0.11, 5.0, 5.1)

    def buckets(*bounds: float) -> list[int]:
        parts = (bucket_of(literal(number, Double), bounds) for number in numbers)
        return [*session.execute(select(*parts)).one()]

    assert buckets(0.1, 5) == [0, 0, 1, 1, 2]
    assert buckets(0.1, 6) == [0, 0, 1, 1, 1]


@pytest.mark.databases("postgresql")
def test_given_rows_have_the_types_of_their_table(session: Session) -> None:
    """JSON that PostgreSQL can't parse stays text until it is stored."""
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    rows = [
        {"id": 1, "due_at": moment, "job": 'it\'s "x"', "task_params": {"a": [1, None, "ä"]}},
        {"id": 2, "due_at": moment, "job": "y", "task_params": None},
    ]
    table = given_rows(TaskResult.__table__, rows)
    assert [row._asdict() for row in session.execute(select(table).order_by(table.c.id))] == rows
