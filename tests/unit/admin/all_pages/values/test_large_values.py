"""Outputs and arguments of megabytes, of which lists read only the shown part."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from jinja2 import Environment
from jinja2.filters import do_truncate
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import cells
from taskadmin.admin.arguments.display import value_in_words
from taskadmin.jobs import all_jobs, job, registry
from taskadmin.models import Task, TaskResult, User
from taskadmin.store.database import clock
from taskadmin.store.reports.matching_runs import MatchingRuns, page_of_matching
from taskadmin.store.runs.results import insert_runs

MEGABYTE = 1_000_000
#: The results' column.
RESULT = 3


@pytest.fixture(autouse=True)
def takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that takes anything, of this test alone."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="takes")
    def takes(a: Any = None, token: SecretStr = SecretStr("")) -> object:  # noqa: B008
        """Return what it is given."""
        return a


@pytest.fixture
def task(make_task: MakeTask, chief: User) -> Task:
    """A task of that job."""
    return make_task(chief, name="Large", job="takes", params={"a": 1})


def _finish(session: Session, task: Task, *, output: str, params: str, runs: int = 1) -> None:
    """Add runs with this JSON."""
    begin = clock.now(session)
    for number in range(runs):
        due = begin + timedelta(minutes=number)
        insert_runs(session, [task], launch_id=1, due_at=due, jobs=all_jobs())
    kind = "json" if session.get_bind().dialect.name == "postgresql" else "text"
    session.execute(
        text(
            "UPDATE taskadmin_task_result SET state = 'succeeded', started_at = queued_at,"
            f" finished_at = queued_at, output = CAST(:output AS {kind}),"
            f" task_params = CAST(:params AS {kind})"
        ),
        {"output": output, "params": params},
    )
    session.commit()


def test_lists_hold_no_large_value_in_memory(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Of 20 runs with 2 MB each; a run's own page has all of it."""
    value = json.dumps("x" * MEGABYTE)
    _finish(session, task, output=value, params=f'{{"a": {value}}}', runs=20)
    for path in ("runs/", f"tasks/details/?id={task.id}", "dashboard/", "review/tasks/?user=1"):
        superuser.get(f"/taskadmin/{path}")  # created once
        tracemalloc.start()
        try:
            answer = superuser.get(f"/taskadmin/{path}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert answer.status_code == 200
        assert peak < 2 * MEGABYTE, path

    [run_id] = session.scalars(select(TaskResult.id).limit(1))
    assert "x" * MEGABYTE in superuser.get(f"/taskadmin/runs/details/?id={run_id}").text


LONG = {
    "text": "a b " * 1_000,
    "one word": "a" * 4_000,
    "escapes": 'ü\n"\\' * 1_000,
    "pairs": "😀" * 1_000,
    "half of a pair": "a" * 50 + "\ud83d" * 1_000,
    "list": [["ü", 1]] * 1_000,
    "mapping": {"ü": "\t", **dict.fromkeys(map(str, range(1_000)))},
    "no escape": [r"\u00fc"] * 1_000,
}


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in LONG.items()])
def test_lists_show_the_beginning_of_a_long_output(
    session: Session, superuser: FlaskClient, task: Task, value: Any
) -> None:
    """As if they had read all of it."""
    _finish(session, task, output=json.dumps(value), params="{}")
    [row] = cells(superuser.get("/taskadmin/runs/").text)
    assert row[RESULT] == do_truncate(Environment(), value_in_words(value), 60)  # noqa: S701


@pytest.mark.parametrize(
    "output", ["[" * 2_000 + "]" * 2_000, f"[{'7' * 6_000}]", " " * 2_000 + "[]"]
)
def test_truncated_values_show_their_beginning(
    session: Session, superuser: FlaskClient, task: Task, output: str
) -> None:
    """The rest isn't parsed."""
    _finish(session, task, output=output, params="{}")
    [row] = cells(superuser.get("/taskadmin/runs/").text)
    assert row[RESULT].rstrip(".") == output[:57].strip()


def test_short_values_are_read_completely(session: Session, task: Task) -> None:
    """Up to the limit."""
    _finish(session, task, output=json.dumps("x" * 998), params=f'{{"a": "{"y" * 9_990}"}}')
    [run] = page_of_matching(session, MatchingRuns(), limit=9)
    assert run.listed_output == "x" * 998
    assert run.listed_params == {"a": "y" * 9_990}


def test_long_arguments_are_not_shown_in_part(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Names of secrets are at their end."""
    params = json.dumps({"old": "SECRET", "a": "x" * MEGABYTE, "_masked": ["old"]})
    _finish(session, task, output="null", params=params)
    for path in ("runs/", f"tasks/details/?id={task.id}"):
        page = superuser.get(f"/taskadmin/{path}").text
        assert "SECRET" not in page
        assert any("…" in row for row in cells(page)), path
