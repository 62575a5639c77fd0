"""JSON columns as text, and inputs that match them."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from taskadmin.models import TaskResult
from taskadmin.store.database.json_text import forms_of, number_in, value_of


@pytest.mark.parametrize(
    ("typed", "forms"),
    [
        ("ten", {"ten"}),
        ("Yes", {"Yes", "true"}),
        ("10", {"10", "10.0"}),
        ("10.50", {"10.50", "10.5"}),
        ("−2", {"−2", "-2", "-2.0"}),
        ("1e20", {"1e20", "1e+20", "1.0e+20"}),
        ("nan", {"nan"}),
    ],
)
def test_a_search_matches_every_json_encoding(typed: str, forms: set[str]) -> None:
    """As encoded by Python, PostgreSQL and SQLite."""
    assert forms_of(typed) == forms
    assert number_in("1_0x") is None


def store(session: Session, arguments: str) -> None:
    """Store JSON text unchanged."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    value = ":arguments" if is_sqlite else "CAST(:arguments AS json)"
    session.execute(
        text(f"UPDATE taskadmin_task_result SET task_params = {value}"), {"arguments": arguments}
    )


@pytest.mark.parametrize(
    ("stored", "name", "value"),
    [
        ('{"a": 1.5}', "a", "1.5"),
        ('{"a": "text"}', "a", "text"),
        ('{"a": true}', "a", "true"),
        ('{"a": null}', "a", None),
        ('{"b": 1}', "a", None),
        ('{"ä.b c": "x"}', "ä.b c", "x"),
        ("[1]", "a", None),
    ],
)
def test_values_are_read_whatever_is_stored(
    session: Session, run_id: int, stored: str, name: str, value: str | None
) -> None:
    """A missing name, or a value that isn't an object, yields nothing."""
    store(session, stored)
    assert session.scalar(select(value_of(TaskResult.task_params, name))) == value


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ('{"a": "\\u0000NUL"}', "NUL"),
        ('{"a": "half \\ud800", "b": "\\ud83d\\ude00"}', "half "),
        (f'{{"a": 1, "b": {"[" * 9_000}{"]" * 9_000}}}', None),
    ],
)
def test_values_that_postgresql_cannot_extract_are_left_out(
    session: Session, run_id: int, stored: str, value: str | None
) -> None:
    """NUL, lone surrogates and deep nesting don't fail the statement."""
    store(session, stored)
    assert session.scalar(select(value_of(TaskResult.task_params, "a"))) == value


def test_a_value_that_cannot_be_wanted_may_be_left_unread(session: Session, run_id: int) -> None:
    """Rows that can't match the filter aren't parsed."""
    session.execute(update(TaskResult).values(task_params={"a": "here", "b": "there"}))
    seen = [
        session.scalar(select(value_of(TaskResult.task_params, "a", [wanted])))
        for wanted in ("here", "elsewhere")
    ]
    assert seen == ["here", None]
