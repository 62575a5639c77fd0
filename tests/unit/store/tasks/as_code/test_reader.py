"""Validate a file's tasks against jobs, users and stored tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from taskadmin.jobs import all_jobs, job, registry
from taskadmin.models import Task, User
from taskadmin.store.tasks.as_code.entries import StoredState, TaskEntry
from taskadmin.store.tasks.as_code.reader import Reader
from taskadmin.store.tasks.schedules import ScheduleInput

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DICE = {"name": "Dice", "job": "generate_random_number"}
LIMITS = {"lower_limit": 1, "upper_limit": 6}


@pytest.fixture(autouse=True)
def _own_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="mail")
    def mail(to: str, password: SecretStr, copies: int = 1) -> None: ...


def state() -> StoredState:
    """Two users; a task of ana's with a secret, an orphaned one, and two with the same name."""
    ana = User(id=1, username="Ana")
    secret = {"to": "x", "password": "hunter22", "_masked": ["password"]}
    tasks = [
        Task(id=1, name="Mail", job="mail", params=secret, enabled=True),
        Task(id=2, name="Old", job="gone", params={"a": 1}, enabled=True),
        Task(id=3, name="Twin", job="gone", params={}, enabled=True),
        Task(id=4, name="Twin", job="gone", params={}, enabled=True),
    ]
    by_name: dict[str, list[Task]] = {}
    for task in tasks:
        task.author, task.created_by = ana, 1
        by_name.setdefault(str(task), []).append(task)
    return StoredState(
        jobs=all_jobs(),
        by_id={task.id: task for task in tasks},
        by_name=by_name,
        authors={"Ana": 1, "ana": 1, "bob": 2},
        schedules={},
        pauses={},
        default_author="bob",
        moment=MOMENT,
        slot_interval_seconds=300,
    )


def read(raw: Mapping[str, object]) -> tuple[TaskEntry | None, list[str]]:
    """Read the third entry of a file; return it with the problems."""
    reader = Reader(state())
    found = reader.read(3, raw)
    return found, [str(problem) for problem in reader.problems]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({**DICE, "arguments": LIMITS}, {"task": None, "author_id": 2, "pause": None}),
        ({**DICE, "arguments": LIMITS, "author": "ANA"}, {"author_id": 1}),
        # Values missing in the file stay.
        ({"name": "Mail"}, {"author_id": 1, "after": {}, "job": "mail"}),
        ({"id": 1, "name": "Post"}, {"before": {"name": "Mail"}, "after": {"name": "Post"}}),
        (
            {"name": "Mail", "arguments": {"to": "y", "password": "<stored>"}},
            {"arguments": {"to": "y", "password": "hunter22", "copies": 1}},
        ),
        # Unchanged arguments stay valid without their job.
        ({"name": "Old", "job": "gone", "arguments": {"a": 1}}, {"after": {}}),
    ],
    ids=["new", "author", "unchanged", "renamed", "secret kept", "job gone"],
)
def test_an_entry_is_completed_from_the_stored_task(
    raw: dict[str, Any], expected: dict[str, Any]
) -> None:
    """It has no problems."""
    found, problems = read(raw)

    assert problems == []
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.schedule == ScheduleInput()


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({}, "task 3: It has neither name nor id."),
        ({"id": 9}, "id 9: There is no task 9; leave id out for a new one."),
        ({"name": "Twin"}, "Twin: Several tasks have this name: add the id, one of 3, 4."),
        ({"name": "A"}, "A: It has no job."),
        ({"name": " A", "job": "mail"}, "A: name must have 1 to 200 printable characters."),
        (
            {"name": "A", "job": "mial", "arguments": {}},
            "A: No job named mial is registered; did you mean mail?",
        ),
        (
            {"name": "A", "job": "mail", "arguments": {"to": "x", "password": "<stored>"}},
            "A: The secret password isn't stored yet: the file must have it once.",
        ),
        (
            {**DICE, "arguments": {"lower_limit": 1}},
            "Dice: arguments: upper_limit: This argument is required.",
        ),
        (
            {**DICE, "arguments": {"lower_limit": 2, "upper_limit": 1}},
            "Dice: arguments: The upper limit must not be below the lower limit.",
        ),
        (
            {**DICE, "arguments": LIMITS, "schedule": {"every": "5m", "cron": "0 0 * * *"}},
            "Dice: schedule: every and cron exclude each other.",
        ),
        (
            {**DICE, "arguments": LIMITS, "author": "eve"},
            "Dice: There is no user called eve.",
        ),
        ({"name": "Mail", "author": "bob"}, "Mail: A task's author can't change: it is Ana."),
        (
            {**DICE, "arguments": LIMITS, "paused": {"until": "2025-01-01T00:00:00+00:00"}},
            "Dice: paused: until has already passed.",
        ),
        (
            {**DICE, "arguments": LIMITS, "schedule": {"once": "2025-01-01T00:00:00+00:00"}},
            "Dice: schedule: The date and time has already passed.",
        ),
    ],
)
def test_a_problem_is_named(raw: dict[str, Any], problem: str) -> None:
    """With the task's place; there is no entry then."""
    assert read(raw) == (None, [problem])


def test_all_problems_are_named() -> None:
    """All at once."""
    raw = {"name": "A", "job": "nobody", "author": "eve", "paused": {"until": "2025-01-01T00:00Z"}}

    _, problems = read(raw)

    assert [problem.partition(": ")[2][:20] for problem in problems] == [
        "There is no user cal",
        "paused: until has al",
        "No job named nobody ",
    ]
