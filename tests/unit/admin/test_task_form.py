"""The form of a task: any job's arguments by their types, kept secrets, tasks without a job."""

from __future__ import annotations

import html
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import Field, HttpUrl, SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import field_errors, form_values
from taskadmin import job
from taskadmin.jobs import get_job, registry
from taskadmin.models import Task

NEW = "/taskadmin/tasks/new/"


class Colour(Enum):
    """A choice."""

    RED = "red"
    DARK_BLUE = "#00008b"


def every_type(
    *,
    text: str,
    lines: Annotated[str, Field(json_schema_extra={"multiline": True})],
    number: Annotated[float, Field(gt=0, le=60, description="In seconds.")],
    exact: Decimal,
    whole: Annotated[int, Field(ge=0)],
    switch: bool,
    perhaps: bool | None = None,
    colour: Colour,
    literal: Literal["a", 1],
    day: date,
    at: time,
    moment: datetime,
    length: timedelta,
    data: dict[str, int],
    address: HttpUrl,
    secret: SecretStr,
) -> None:
    """Do nothing with an argument of each type."""


#: By argument: what is typed, what is stored, what is typed wrongly, and the message.
FIELDS: dict[str, tuple[str, Any, str, str]] = {
    "text": (" <b> & ", " <b> & ", "", "Enter a text."),
    "lines": ("one\r\n\r\ntwo", "one\n\ntwo", "", "Enter a text."),
    "number": ("2.5", 2.5, "61", "Input should be less than or equal to 60."),
    "exact": (
        "0.10",
        "0.10",
        "0,1",
        "Enter a number such as -0.5, 10 or 1.5e6, with a point.",
    ),
    "whole": ("7", 7, "1.5", "Enter a whole number such as -5, 10 or 1500."),
    "switch": ("y", True, "maybe", "Enter true or false."),
    "perhaps": ("false", False, "x", "There is no choice “x”; expected one of true, false."),
    "colour": ("#00008b", "#00008b", "", "Choose one."),
    "literal": ("1", 1, "b", "There is no choice “b”; expected one of a, 1."),
    "day": (
        "2026-02-28",
        "2026-02-28",
        "2026-02-30",
        "There is no 2026-02-30: check the day and the time.",
    ),
    "at": ("14:30", "14:30:00", "noon", "Enter a time such as 14:30."),
    "moment": (
        "2026-01-31T12:00",
        "2026-01-31T12:00:00Z",
        "tomorrow",
        "Enter a date and a time such as 2026-01-31 14:30.",
    ),
    "length": (
        "1 h 30 min",
        "PT1H30M",
        "long",
        "Enter a duration such as 90 s, 1 h 30 min, 0:45 or PT90S.",
    ),
    "data": (
        '{"a": 1}',
        {"a": 1},
        '{"a" 1}',
        "This is no JSON: expecting ':' delimiter, in line 1, column 6.",
    ),
    "address": (
        "https://example.org/x",
        "https://example.org/x",
        "example",
        "Input should be a valid URL, relative URL without a base.",
    ),
    "secret": ("s3cret", "s3cret", "", "Enter the secret."),
}
TYPED = {f"arg-{name}": typed for name, (typed, *_) in FIELDS.items()}
STORED = {name: stored for name, (_, stored, *_) in FIELDS.items()}


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that are gone after the test."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    job(every_type)


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task with an argument of each type."""
    made = make_task(job="every_type", params={**STORED, "_masked": ["secret"]}, name="All")
    assert made.arguments == STORED
    return made


def count(session: Session) -> int:
    """How many tasks there are."""
    return session.scalar(select(func.count()).select_from(Task)) or 0


def test_arguments_of_each_type_are_stored(session: Session, superuser: FlaskClient) -> None:
    """As the job's model has them in JSON; secrets are marked."""
    answer = superuser.post(NEW, data={"job": "every_type", "enabled": "y", **TYPED})

    assert (answer.status_code, field_errors(answer.text)) == (302, [])
    task = session.scalars(select(Task)).one()
    assert task.job == "every_type"
    assert task.arguments == STORED
    assert task.masked == ["secret"]
    assert (task.lower_limit, task.upper_limit) == (None, None)
    assert get_job("every_type").problems(task.params) == []


@pytest.mark.databases("sqlite")
def test_an_edit_shows_what_is_stored_and_changes_nothing_by_itself(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Whatever a browser shows reads back as what is stored; the secret isn't shown, and stays."""
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
    assert "A value is stored and never shown: leave this empty to keep it." in page.text
    assert answer.status_code == 302
    session.expire_all()
    assert (task.name, task.arguments, task.masked) == ("Renamed", STORED, ["secret"])


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", FIELDS)
def test_each_type_says_at_its_field_what_is_wrong(
    session: Session, superuser: FlaskClient, name: str
) -> None:
    """422, the message at the field, what was typed still there, nothing saved."""
    _, _, wrong, message = FIELDS[name]
    secret = [("arg-secret", "Enter this again: what you typed isn't sent back.")]

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
    if name not in ("switch", "perhaps", "literal"):  # what is on no list can't be shown
        assert shown[f"arg-{name}"] == wrong
    assert "s3cret" not in answer.text


@pytest.mark.databases("sqlite")
def test_all_messages_come_at_once(superuser: FlaskClient) -> None:
    """Of texts that can't be read, of the job's model, of the name and of the schedule."""
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
def test_defaults_and_help_are_shown(superuser: FlaskClient) -> None:
    """A default is what the input begins with; an emptied input stands for it too."""

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
    """None where that is allowed."""

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
    """Names of arguments never meet the form's own."""

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


@pytest.mark.databases("sqlite")
def test_without_javascript_a_button_shows_the_chosen_job(
    session: Session, superuser: FlaskClient
) -> None:
    """Nothing is saved; what was typed elsewhere stays."""
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
    """Its arguments are asked for first; the ones that were typed belong to another job."""

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
    """At the field; an address that names it shows the form of the built-in job."""
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
    """Columns and parameters go with it, both ways."""
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


def test_a_typed_secret_replaces_the_stored_one(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Whoever types something means it."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    values = form_values(superuser.get(path).text)

    superuser.post(path, data={**values, "arg-secret": "new"})

    session.expire_all()
    assert task.arguments == {**STORED, "secret": "new"}


@pytest.mark.databases("sqlite")
def test_an_optional_secret_can_be_removed(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """By a box of its own, since an empty input keeps it."""

    @job
    def call(token: SecretStr | None = None) -> None:
        """Call somebody."""

    task = make_task(job="call", params={"token": "s3cret", "_masked": ["token"]})
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    assert 'name="arg-token-remove"' in superuser.get(path).text

    superuser.post(path, data={"version": "1", "arg-token-remove": "y", "job": "call"})

    session.expire_all()
    assert (task.arguments, task.version) == ({"token": None}, 2)


@pytest.mark.databases("sqlite")
def test_what_was_once_a_secret_stays_one(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """A job that doesn't mask an argument any more gives no stored value away."""

    @job
    def call(token: str) -> None:
        """Call somebody."""

    task = make_task(job="call", params={"token": "s3cret", "_masked": ["token"]})
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    page = superuser.get(path).text

    superuser.post(path, data=form_values(page))

    assert "s3cret" not in page
    session.expire_all()
    assert (task.arguments, task.masked) == ({"token": "s3cret"}, ["token"])


@pytest.mark.databases("sqlite")
def test_the_second_of_two_edits_keeps_what_was_typed(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """409, and a secret has to be typed again; nothing is overwritten."""
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    values = form_values(superuser.get(path).text)
    superuser.post(path, data={**values, "arg-whole": "8"})

    answer = superuser.post(path, data={**values, "arg-text": "mine", "arg-secret": "typed"})

    assert answer.status_code == 409
    assert "What you typed is still below, and isn't saved." in html.unescape(answer.text)
    assert form_values(answer.text)["arg-text"] == "mine"
    assert [name for name, _ in field_errors(answer.text)] == ["arg-secret"]
    session.expire_all()
    assert task.arguments == {**STORED, "whole": 8}


@pytest.mark.databases("sqlite")
def test_stored_arguments_that_no_longer_fit_are_pointed_out(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """When the form is opened; what the job doesn't take any more is left out by saving."""

    @job
    def count_to(number: int) -> None:
        """Count."""

    task = make_task(job="count_to", params={"number": "many", "old": 1})
    path = f"/taskadmin/tasks/edit/?id={task.id}"

    page = superuser.get(path)

    assert page.status_code == 200
    assert "count_to doesn't take old any more: saving leaves it out." in html.unescape(page.text)
    assert [name for name, _ in field_errors(page.text)] == ["arg-number"]
    values = form_values(page.text)
    assert values["arg-number"] == "many"
    superuser.post(path, data={**values, "arg-number": "3"})
    session.expire_all()
    assert task.arguments == {"number": 3}


@pytest.mark.databases("sqlite")
def test_a_rule_over_several_arguments_is_said_above_them(superuser: FlaskClient) -> None:
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
def test_a_task_without_its_job_can_be_renamed(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Its arguments are shown, secrets are not, and stay as they are."""
    params = {"customer": 7, "token": "s3cret", "_masked": ["token"]}
    task = make_task(job="gone.job", params=params)
    path = f"/taskadmin/tasks/edit/?id={task.id}"

    page = superuser.get(path).text
    answer = superuser.post(path, data={**form_values(page), "name": "Still here"})

    assert "No job is registered under the name gone.job" in page
    assert "customer" in page
    assert "s3cret" not in page
    assert answer.status_code == 302
    session.expire_all()
    assert (task.name, task.job, task.params) == ("Still here", "gone.job", params)


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nothing_is_saved_without_a_token(session: Session, superuser: FlaskClient) -> None:
    """422 and the sentence; with the page's own token it is saved."""
    data = {"job": "every_type", **TYPED}

    refused = superuser.post(NEW, data=data)
    token = form_values(superuser.get(f"{NEW}?job=every_type").text)["csrf_token"]
    saved = superuser.post(NEW, data={**data, "csrf_token": token})

    assert refused.status_code == 422
    assert "This form has expired; nothing was changed. Try again." in refused.text
    assert (saved.status_code, count(session)) == (302, 1)
