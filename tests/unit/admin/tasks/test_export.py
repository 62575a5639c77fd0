"""Exports of tasks."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.models import MASKED, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database import clock
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule


def test_exports_are_safe_for_spreadsheets(
    superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """A name that looks like a formula is escaped; arguments are JSON."""
    make_task(chief, -1.5, 2, name="=cmd|'/c calc'!A1")

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert list(row) == [
        *("id", "name", "job", "arguments", "schedule", "zone", "enabled", "author"),
        *("created_at", "updated_at"),
    ]
    assert row["name"] == "'=cmd|'/c calc'!A1"
    assert json.loads(row["arguments"]) == {"lower_limit": -1.5, "upper_limit": 2.0}
    assert row["schedule"] == "in the common slot, every 5 minutes"
    assert (row["author"], row["enabled"], row["zone"]) == ("chief", "True", "")


def test_exports_hold_no_secrets(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Also as JSON: values stored as secrets are masked, even if the job is unknown."""
    arguments = {"url": "https://shop.example", "token": "hush-hush", MASKED: ["token"]}
    task_id = make_task(chief, job="gone", params=arguments, enabled=False).id
    daily = ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin")
    put_schedule(session, task_id, daily, moment=clock.now(session), slot_interval_seconds=300)
    session.commit()

    as_csv = superuser.get("/taskadmin/tasks/export/csv/")
    as_json = superuser.get("/taskadmin/tasks/export/json/")

    assert "hush" not in as_csv.text + as_json.text
    (row,) = as_json.get_json()
    assert row | {"created_at": "", "updated_at": ""} == {
        "id": task_id,
        "name": None,
        "job": "gone",
        "arguments": {"url": "https://shop.example", "token": "••••••"},
        "schedule": "at 02:30 every day, in Europe/Berlin",
        "zone": "Europe/Berlin",
        "enabled": False,
        "author": "chief",
        "created_at": "",
        "updated_at": "",
    }
    assert as_json.headers["Content-Disposition"] == "attachment; filename=tasks.json"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1+1", "\uff20a"])
def test_names_of_tasks_and_authors_are_text_in_exports(
    superuser: FlaskClient, make_task: MakeTask, make_user: MakeUser, text: str
) -> None:
    """All beginnings of formulas are escaped, also full-width ones."""
    author = make_user(text)
    make_task(author, name=text)

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["name"], row["author"]) == (f"'{text}", f"'{author.username}")


@pytest.mark.databases("sqlite")
def test_an_export_has_the_matching_tasks(superuser: FlaskClient, make_task: MakeTask) -> None:
    """All matching tasks, and no others."""
    for number in range(60):
        make_task(name=f"Freezing {number}")
    make_task(name="Boiling")

    answer = superuser.get("/taskadmin/tasks/export/csv/?search=freez")

    _, *rows = csv.reader(io.StringIO(answer.text))
    assert len(rows) == 60
    assert answer.content_type == "text/csv; charset=utf-8"
    assert superuser.get("/taskadmin/tasks/export/json/?state=paused").get_json() == []
    assert superuser.get("/taskadmin/tasks/export/json/?state=nonsense").status_code == 404
