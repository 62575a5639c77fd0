"""Numbers of any size on all pages and in all exports."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import form_values
from taskadmin import job
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import RunState, Task, TaskResult, User
from taskadmin.store.database import clock
from taskadmin.store.runs.results import insert_runs

#: Numbers, with their text on English pages.
INTEGERS = {
    10**24: "1,000,000,000,000,000,000,000,000",
    10**27: "1,000,000,000,000,000,000,000,000,000",
    -(10**28) - 7: "−10,000,000,000,000,000,000,000,000,007",
    10**399: "1" + ",000" * 133,
}
FLOATS = {
    1.7e308: "1.7e+308",
    1.6e308: "1.6e+308",
    -1.7e308: "−1.7e+308",
    5e-324: "5e−324",
    1e22: "1e+22",
}
PAGES = ("tasks/", "tasks/details/?id={task}", "tasks/edit/?id={task}", "runs/", "failures/")


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="takes_a_number")
    def takes_a_number(number: Any = None, whole: int = 0) -> object:
        return number


@pytest.fixture
def task(session: Session, make_task: MakeTask, chief: User) -> Task:
    """A task with all of them as arguments, and runs that returned the floats."""
    number = [*INTEGERS, *FLOATS, -0.0]
    task = make_task(
        chief, name="Large", job="takes_a_number", params={"number": number, "whole": 10**399}
    )
    begin = clock.now(session) - timedelta(minutes=20)
    for minute, value in enumerate(FLOATS):
        due = begin + timedelta(minutes=minute)
        insert_runs(session, [task], launch_id=1, due_at=due, jobs=all_jobs())
        run = session.scalars(select(TaskResult).order_by(TaskResult.id.desc()).limit(1)).one()
        run.state, run.result = RunState.SUCCEEDED, value
        run.started_at, run.finished_at = due, due + timedelta(seconds=1)
    session.commit()
    return task


def test_every_page_shows_them(session: Session, superuser: FlaskClient, task: Task) -> None:
    """As arguments, results, values of charts, and in forms."""
    runs = session.scalars(select(TaskResult.id)).all()
    paths = [path.format(task=task.id) for path in PAGES]
    paths += [f"runs/details/?id={run}" for run in runs]
    paths += [f"runs/run/?id={task.id}", "dashboard/", "launches/", "audit/", "review/"]
    for path in paths:
        assert superuser.get(f"/taskadmin/{path}").status_code in (200, 404), path

    whole_run = superuser.get(f"/taskadmin/runs/details/?id={runs[0]}").text
    assert INTEGERS[10**399] in whole_run
    assert FLOATS[1.7e308] in whole_run
    listed = superuser.get("/taskadmin/runs/").text
    assert all(text in listed for text in FLOATS.values())


def test_a_form_keeps_them_digit_by_digit(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Submitting an unchanged form changes nothing."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    sent = form_values(superuser.get(path).text)

    assert superuser.post(path, data=sent).status_code == 302

    session.expire_all()
    assert session.get_one(Task, task.id).params["whole"] == 10**399
    assert session.get_one(Task, task.id).params["number"] == [*INTEGERS, *FLOATS, 0]


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("what", ["tasks", "runs"])
@pytest.mark.usefixtures("task")
def test_an_export_has_them_digit_by_digit(superuser: FlaskClient, what: str, kind: str) -> None:
    """Readers of the file get the same numbers."""
    text = superuser.get(f"/taskadmin/{what}/export/{kind}/").text

    rows: list[dict[str, Any]]
    rows = json.loads(text) if kind == "json" else list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        given = row["arguments"] if kind == "json" else json.loads(row["arguments"])
        assert given["whole"] == 10**399
        assert given["number"] == [*INTEGERS, *FLOATS, 0]
    if what == "runs":
        assert {float(row["result"]) for row in rows} == set(FLOATS)


def test_a_search_finds_them(superuser: FlaskClient, task: Task) -> None:
    """By all digits, in lists of tasks and runs."""
    for path in ("tasks", "runs"):
        found = superuser.get(f"/taskadmin/{path}/?search=arg.whole:{10**399}")
        assert found.status_code == 200
    assert superuser.get(f"/taskadmin/tasks/?search=id:{10**399}").status_code == 200
