"""The form of a task: arguments of any job, stored secrets, tasks without a job."""

from __future__ import annotations

import html

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs.every_type import STORED, TYPED, every_type
from services.pages import field_errors, form_values
from taskadmin import job
from taskadmin.jobs import registry
from taskadmin.models import Task

NEW = "/taskadmin/tasks/new/"


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the test's jobs afterwards."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    job(every_type)


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task with an argument of each type."""
    made = make_task(job="every_type", params={**STORED, "_masked": ["secret"]}, name="All")
    assert made.arguments == STORED
    return made


def count(session: Session) -> int:
    """Return the number of tasks."""
    return session.scalar(select(func.count()).select_from(Task)) or 0


@pytest.mark.databases("sqlite")
def test_all_messages_come_at_once(superuser: FlaskClient) -> None:
    """Of unreadable texts, the job's model, the name and the schedule."""
    data = {
        **TYPED,
        "arg-whole": "x",
        "arg-number": "61",
        "name": "x" * 201,
        "kind": "cron",
        "cron": "0 0 31 2 *",
    }

    answer = superuser.post(NEW, data={"job": "every_type", **data})

    fields = [name for name, _ in field_errors(answer.text)]
    assert fields == ["name", "arg-number", "arg-whole", "arg-secret", "cron"]


@pytest.mark.databases("sqlite")
def test_without_javascript_a_button_shows_the_chosen_job(
    session: Session, superuser: FlaskClient
) -> None:
    """Nothing is saved, and other inputs stay."""
    data = {
        **form_values(superuser.get(NEW).text),
        "job": "every_type",
        "name": "Mine",
        "kind": "cron",
        "cron": "30 2",
    }

    answer = superuser.post(NEW, data={**data, "use_job": "y"})

    assert (answer.status_code, field_errors(answer.text)) == (200, [])
    values = form_values(answer.text)
    assert (values["name"], values["cron"], values["arguments_of"]) == (
        "Mine",
        "30 2",
        "every_type",
    )
    assert "arg-text" in values
    assert "lower_limit" not in values
    assert count(session) == 0


@pytest.mark.databases("sqlite")
def test_a_job_that_was_chosen_without_its_arguments_is_not_saved(
    session: Session, superuser: FlaskClient
) -> None:
    """Its arguments are requested first, since the submitted ones belong to another job."""

    @job
    def no_arguments() -> None:
        """Do nothing."""

    answer = superuser.post(
        NEW,
        data={"arguments_of": "generate_random_number", "job": "no_arguments", "lower_limit": "1"},
    )

    assert "These are the arguments of no_arguments. Nothing is saved yet." in answer.text
    assert count(session) == 0
    superuser.post(NEW, data=form_values(answer.text))
    assert count(session) == 1


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", ["gone", "", "<b>", "x" * 5000])
def test_a_job_that_is_not_registered_is_refused(
    session: Session, superuser: FlaskClient, name: str
) -> None:
    """With a message at the field; its address shows the built-in job's form."""
    answer = superuser.post(NEW, data={"job": name})

    assert answer.status_code == 422
    assert "job" in [field for field, _ in field_errors(answer.text)]
    assert "<b>" not in answer.text
    assert count(session) == 0
    page = superuser.get(NEW, query_string={"job": name})
    assert form_values(page.text)["job"] == "generate_random_number"


def test_an_edit_may_change_the_job(
    session: Session, superuser: FlaskClient, task: Task, make_task: MakeTask
) -> None:
    """Columns and parameters change with it, in both directions."""
    other = make_task(None, 1, 2)
    limits = {"lower_limit": "5", "upper_limit": "6", "job": "generate_random_number"}

    superuser.post(f"/taskadmin/tasks/edit/?id={task.id}", data={**limits, "version": "1"})
    superuser.post(
        f"/taskadmin/tasks/edit/?id={other.id}",
        data={**TYPED, "job": "every_type", "version": "1"},
    )

    session.expire_all()
    assert (task.job, task.arguments, task.params) == (
        "generate_random_number",
        {"lower_limit": 5, "upper_limit": 6},
        {},
    )
    assert (other.job, other.lower_limit, other.arguments) == ("every_type", None, STORED)


@pytest.mark.databases("sqlite")
def test_the_second_of_two_edits_keeps_its_input(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """409, and secrets must be entered again; nothing is overwritten."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    values = form_values(superuser.get(path).text)
    superuser.post(path, data={**values, "arg-whole": "8"})

    answer = superuser.post(path, data={**values, "arg-text": "mine", "arg-secret": "typed"})

    assert answer.status_code == 409
    assert "Your changes are shown below but not saved." in html.unescape(answer.text)
    assert form_values(answer.text)["arg-text"] == "mine"
    assert [name for name, _ in field_errors(answer.text)] == ["arg-secret"]
    session.expire_all()
    assert task.arguments == {**STORED, "whole": 8}


@pytest.mark.databases("sqlite")
def test_a_task_without_its_job_can_be_renamed(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Its arguments are shown, except secrets, and stay unchanged."""
    params = {"customer": 7, "token": "s3cret", "_masked": ["token"]}
    task = make_task(job="gone.job", params=params)
    path = f"/taskadmin/tasks/edit/?id={task.id}"

    page = superuser.get(path).text
    answer = superuser.post(path, data={**form_values(page), "name": "Still here"})

    assert "No job named gone.job is registered" in page
    assert "customer" in page
    assert "s3cret" not in page
    assert answer.status_code == 302
    session.expire_all()
    assert (task.name, task.job, task.params) == ("Still here", "gone.job", params)
