"""Entries of a file compared with stored tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taskadmin.models import Task
from taskadmin.schedules import ScheduleKind
from taskadmin.store.tasks.as_code.entries import (
    FileProblem,
    StoredState,
    TaskEntry,
    changes,
    same_values,
)
from taskadmin.store.tasks.as_code.format import PauseInFile
from taskadmin.store.tasks.schedules import ScheduleInput

HOURLY = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600)
STATE = StoredState(
    jobs={},
    by_id={},
    by_name={},
    authors={},
    schedules={1: HOURLY},
    pauses={},
    default_author=None,
    moment=datetime(2026, 1, 1, tzinfo=UTC),
    slot_interval_seconds=300,
)


def stored_task() -> Task:
    """An hourly task with a secret."""
    params = {"to": "ana", "password": "hunter22", "_masked": ["password"]}
    return Task(id=1, name="Mail", job="mail", params=params, enabled=True)


def entry(task: Task | None, **changed: Any) -> TaskEntry:
    """Return an entry equal to the stored task, apart from *changed*."""
    made = TaskEntry(
        line=None,
        place="Mail",
        name="Mail",
        job="mail",
        arguments={"to": "ana", "password": "hunter22"},
        masked=["password"],
        author_id=1,
        pause=None,
        schedule=HOURLY,
        task=task,
    )
    return replace(made, **changed)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (FileProblem(3, "Mail", "It has no job."), "line 3, Mail: It has no job."),
        (FileProblem(None, "Mail", "It has no job."), "Mail: It has no job."),
        (FileProblem(3, None, "No tasks."), "line 3: No tasks."),
        (FileProblem(None, None, "No tasks."), "No tasks."),
    ],
)
def test_a_problem_has_its_place(problem: FileProblem, text: str) -> None:
    """As precisely as known."""
    assert str(problem) == text


@pytest.mark.parametrize(
    ("changed", "before", "after"),
    [
        ({}, {}, {}),
        ({"name": "Post"}, {"name": "Mail"}, {"name": "Post"}),
        (
            {"arguments": {"to": "bob", "password": "hunter22"}},
            {"arguments.to": "ana"},
            {"arguments.to": "bob"},
        ),
        (
            {"arguments": {"to": "ana", "password": "other"}},
            {"arguments.password": "••••••"},
            {"arguments.password": "••••••"},
        ),
        (
            {"arguments": {"to": "ana"}},
            {"arguments.password": "••••••"},
            {"arguments.password": None},
        ),
        (
            {"schedule": ScheduleInput()},
            {"schedule.every": "1 hour"},
            {"schedule.every": None},
        ),
        (
            {"pause": PauseInFile(note="Later.")},
            {"paused": False, "paused.note": None},
            {"paused": True, "paused.note": "Later."},
        ),
    ],
    ids=["nothing", "name", "argument", "secret", "no secret", "schedule", "pause"],
)
def test_changes_are_by_the_files_keys(
    changed: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Only differences, without secrets."""
    assert changes(entry(stored_task(), **changed), STATE) == (before, after)


def test_a_new_task_has_no_old_values() -> None:
    """All values are new."""
    before, after = changes(entry(None), STATE)

    assert before == {}
    assert after == {
        "name": "Mail",
        "job": "mail",
        "paused": False,
        "arguments.to": "ana",
        "arguments.password": "••••••",
        "schedule.every": "1 hour",
    }


@pytest.mark.parametrize(
    ("after", "definition", "pause"),
    [
        ({}, False, False),
        ({"name": "Post"}, True, False),
        ({"paused": True}, False, True),
        ({"paused.note": "Later.", "schedule.cron": "x"}, True, True),
    ],
)
def test_a_pause_is_not_a_part_of_the_definition(
    after: dict[str, Any], definition: bool, pause: bool
) -> None:
    """Pauses and definitions are changed by different functions."""
    changed = entry(stored_task(), after=after)
    assert (changed.changes_definition, changed.changes_pause) == (definition, pause)


NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": None}, {}, False),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, True),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": NAN}, {"a": NAN}, True),
    ],
)
def test_values_are_compared_as_json(
    one: dict[str, object], other: dict[str, object], same: bool
) -> None:
    """In Python, 1 == 1.0 == True."""
    assert same_values(one, other) is same_values(other, one) is same
