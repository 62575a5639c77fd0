"""Form fields for any job's arguments; stored secrets stay hidden."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Annotated

import pytest
from flask.testing import FlaskClient
from pydantic import Field, SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs.every_type import FIELDS, STORED, TYPED, every_type
from services.pages import field_errors, form_values
from taskadmin import job
from taskadmin.jobs import get_job, registry
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


def test_arguments_of_each_type_are_stored(session: Session, superuser: FlaskClient) -> None:
    """As JSON of the job's model, with secrets marked."""
    answer = superuser.post(NEW, data={"job": "every_type", "enabled": "y", **TYPED})

    assert (answer.status_code, field_errors(answer.text)) == (302, [])
    task = session.scalars(select(Task)).one()
    assert task.job == "every_type"
    assert task.arguments == STORED
    assert task.masked == ["secret"]
    assert (task.lower_limit, task.upper_limit) == (None, None)
    assert get_job("every_type").problems(task.params) == []


@pytest.mark.databases("sqlite")
def test_an_unchanged_edit_keeps_the_stored_values(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Shown values are read back unchanged; secrets aren't shown, and stay."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    page = superuser.get(path)
    values = form_values(page.text)

    answer = superuser.post(path, data={**values, "name": "Renamed"})

    assert page.status_code == 200
    shown = {name: text for name, text in values.items() if name.startswith("arg-")}
    expected = {name: text.replace("\r", "") for name, text in TYPED.items()}
    assert shown == {**expected, "arg-data": '{\n  "a": 1\n}', "arg-secret": "",
                     "arg-at": "14:30:00"}  # fmt: skip
    assert "s3cret" not in page.text
    assert "A value is stored but never shown. Leave empty to keep it." in page.text
    assert answer.status_code == 302
    session.expire_all()
    assert (task.name, task.arguments, task.masked) == ("Renamed", STORED, ["secret"])


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", FIELDS)
def test_each_type_has_its_message_at_the_field(
    session: Session, superuser: FlaskClient, name: str
) -> None:
    """422 with the message at the field and the input kept; nothing is saved."""
    _, _, wrong, message = FIELDS[name]
    secret = [("arg-secret", "Enter this again. Secrets are never filled in.")]

    answer = superuser.post(
        NEW, data={"job": "every_type", **TYPED, f"arg-{name}": wrong, "name": "Mine"}
    )

    assert answer.status_code == 422
    expected = [(f"arg-{name}", message)] + (secret if name != "secret" else [])
    assert field_errors(answer.text) == expected
    assert count(session) == 0
    shown = form_values(answer.text)
    assert shown["name"] == "Mine"
    assert shown["arg-length" if name != "length" else "arg-exact"] in ("1 h 30 min", "0.10")
    if name not in ("switch", "perhaps", "literal"):  # a select can't show unknown values
        assert shown[f"arg-{name}"] == wrong
    assert "s3cret" not in answer.text


@pytest.mark.databases("sqlite")
def test_defaults_and_help_are_shown(superuser: FlaskClient) -> None:
    """Inputs start with the default, which an emptied input means, too."""

    @job
    def greet(
        name: str = "Ada",
        times: Annotated[int, Field(ge=1, description="How often.")] = 2,
        wait: timedelta = timedelta(seconds=90),
        token: SecretStr | None = None,
    ) -> None:
        """Say hello."""

    page = superuser.get(f"{NEW}?job=greet").text

    values = form_values(page)
    assert values["job"] == values["arguments_of"] == "greet"
    assert (values["arg-name"], values["arg-times"]) == ("Ada", "2")
    assert values["arg-wait"] == "1 min 30 s"
    assert "Say hello." in page
    assert "How often. At least 1." in page


def test_emptied_inputs_are_the_default_or_none(session: Session, superuser: FlaskClient) -> None:
    """None if the type allows it."""

    @job
    def greet(name: str = "Ada", times: int | None = 2, loud: bool = True) -> None:
        """Say hello."""

    superuser.post(NEW, data={"job": "greet", "arg-name": "", "arg-times": ""})

    assert session.scalars(select(Task)).one().arguments == {
        "name": "Ada",
        "times": None,
        "loud": False,
    }


@pytest.mark.databases("sqlite")
def test_an_argument_may_be_called_like_a_field_of_the_form(
    session: Session, superuser: FlaskClient
) -> None:
    """Names of arguments don't clash with the form's fields."""

    @job
    def confusing(name: str, version: int, kind: str, enabled: bool, lower_limit: str) -> None:
        """Do nothing."""

    data = {"arg-name": "a", "arg-version": "9", "arg-kind": "b", "arg-lower_limit": "c"}
    superuser.post(NEW, data={"job": "confusing", "name": "Task", "enabled": "y", **data})

    task = session.scalars(select(Task)).one()
    assert (task.name, task.enabled, task.lower_limit) == ("Task", True, None)
    assert task.arguments == {
        "name": "a",
        "version": 9,
        "kind": "b",
        "enabled": False,
        "lower_limit": "c",
    }


def test_a_typed_secret_replaces_the_stored_one(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """An empty input would keep it."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    values = form_values(superuser.get(path).text)

    superuser.post(path, data={**values, "arg-secret": "new"})

    session.expire_all()
    assert task.arguments == {**STORED, "secret": "new"}


@pytest.mark.databases("sqlite")
def test_stored_arguments_that_no_longer_fit_are_pointed_out(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """On opening the form; saving removes arguments that the job no longer has."""

    @job
    def count_to(number: int) -> None:
        """Count."""

    task = make_task(job="count_to", params={"number": "many", "old": 1})
    path = f"/taskadmin/tasks/edit/?id={task.id}"

    page = superuser.get(path)

    assert page.status_code == 200
    assert "count_to no longer takes old; saving removes it." in html.unescape(page.text)
    assert [name for name, _ in field_errors(page.text)] == ["arg-number"]
    values = form_values(page.text)
    assert values["arg-number"] == "many"
    superuser.post(path, data={**values, "arg-number": "3"})
    session.expire_all()
    assert task.arguments == {"number": 3}


@pytest.mark.databases("sqlite")
def test_errors_of_several_arguments_are_shown_above_them(superuser: FlaskClient) -> None:
    """It belongs to no single field."""
    from pydantic import BaseModel, model_validator

    class Pair(BaseModel):
        first: int
        second: int

        @model_validator(mode="after")
        def _differ(self) -> Pair:
            if self.first == self.second:
                raise ValueError("The two must differ")
            return self

    @job(arguments=Pair)
    def compare(first: int, second: int) -> None:
        """Compare."""

    answer = superuser.post(NEW, data={"job": "compare", "arg-first": "1", "arg-second": "1"})

    assert field_errors(answer.text) == [("arguments", "The two must differ.")]


@pytest.mark.databases("sqlite")
def test_a_stored_secret_stays_until_it_is_removed(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """With a checkbox if it is optional, even if the job no longer masks it."""

    @job
    def call(token: SecretStr | None = None, once: str = "") -> None:
        """Call somebody."""

    stored = {"token": "s3cret", "once": "hidden", "_masked": ["token", "once"]}
    task = make_task(job="call", params=stored)
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    page = superuser.get(path).text
    assert 'name="arg-token-remove"' in page
    assert "s3cret" not in page and "hidden</" not in page

    superuser.post(path, data=form_values(page))
    session.expire_all()
    assert task.arguments == {"token": "s3cret", "once": "hidden"}
    superuser.post(path, data={"version": "2", "arg-token-remove": "y", "job": "call"})

    session.expire_all()
    assert task.arguments == {"token": None, "once": "hidden"}
    assert set(task.masked) == {"token", "once"}
