"""The form of a task: create and edit."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from services.pages import field_errors, next_messages
from taskadmin.models import Task, User

WIDEST = 1.7976931348623157e308


def count(session: Session, model: type[Any]) -> int:
    """How many rows there are."""
    session.expire_all()
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_every_field_of_the_form_is_stored(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """What is typed is what the database has; the author is who typed it."""
    answer = superuser.post(
        "/taskadmin/tasks/new/",
        data={"name": " Dice ", "lower_limit": "-1.5e3", "upper_limit": "6", "enabled": "y"},
    )

    task = session.scalars(select(Task)).one()
    assert answer.location == f"/taskadmin/tasks/details/?id={task.id}"
    assert (task.name, task.lower_limit, task.upper_limit) == ("Dice", -1500.0, 6.0)
    assert (task.enabled, task.created_by, task.job) == (True, chief.id, "generate_random_number")
    assert next_messages(superuser) == ["Dice is created."]


def test_a_task_can_be_created_disabled_and_without_a_name(
    session: Session, superuser: FlaskClient
) -> None:
    """An empty name is none, an empty box is off."""
    superuser.post("/taskadmin/tasks/new/", data={"lower_limit": "2", "upper_limit": "2"})

    task = session.scalars(select(Task)).one()
    assert (task.name, task.enabled, task.lower_limit) == (None, False, task.upper_limit)


NOT_A_NUMBER = "Enter a number such as -0.5, 10 or 1.5e6, with a point."


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ("5", "1", [("upper_limit", "The upper limit must not be below the lower limit.")]),
        ("", "1", [("lower_limit", "Enter a number.")]),
        ("1,5", "2", [("lower_limit", NOT_A_NUMBER)]),
        ("nan", "inf", [("lower_limit", NOT_A_NUMBER), ("upper_limit", NOT_A_NUMBER)]),
        ("-Infinity", "1", [("lower_limit", NOT_A_NUMBER)]),
        (
            "0",
            "1e400",
            [("upper_limit", "This number is too large: the largest is about 1.79e308.")],
        ),
        ("0", "٣", [("upper_limit", NOT_A_NUMBER)]),
        ("0", "1_0", [("upper_limit", NOT_A_NUMBER)]),
        ("0", "0x10", [("upper_limit", NOT_A_NUMBER)]),
        ("0", "9" * 1000, [("upper_limit", NOT_A_NUMBER)]),
        ("0", "1\0", [("upper_limit", NOT_A_NUMBER)]),
        ("0", "<b>", [("upper_limit", NOT_A_NUMBER)]),
    ],
)
def test_limits_that_are_no_range_are_refused_at_the_field(
    session: Session,
    superuser: FlaskClient,
    lower: str,
    upper: str,
    expected: list[tuple[str, str]],
) -> None:
    """422, the message at the field, what was typed still there, nothing saved."""
    answer = superuser.post(
        "/taskadmin/tasks/new/", data={"lower_limit": lower, "upper_limit": upper}
    )

    assert answer.status_code == 422
    assert field_errors(answer.text) == expected
    assert count(session, Task) == 0


def test_the_widest_range_is_a_range(session: Session, superuser: FlaskClient) -> None:
    """Every finite number may be a limit."""
    superuser.post(
        "/taskadmin/tasks/new/",
        data={"lower_limit": repr(-WIDEST), "upper_limit": repr(WIDEST)},
    )

    task = session.scalars(select(Task)).one()
    assert (task.lower_limit, task.upper_limit) == (-WIDEST, WIDEST)


@pytest.mark.parametrize("name", ["x" * 201, "a\0b", "a\u202eb", "line\nbreak"])
def test_names_that_cannot_be_shown_are_refused(
    session: Session, superuser: FlaskClient, name: str
) -> None:
    """Too long, or with characters that nobody sees."""
    answer = superuser.post(
        "/taskadmin/tasks/new/", data={"name": name, "lower_limit": "0", "upper_limit": "1"}
    )

    assert answer.status_code == 422
    assert [field for field, _ in field_errors(answer.text)] == ["name"]
    assert count(session, Task) == 0


def test_an_edit_changes_everything_but_the_author(
    session: Session, superuser: FlaskClient, make_user: MakeUser, make_task: MakeTask
) -> None:
    """updated_at and version go on, created_at and created_by stay."""
    author = make_user("ana")
    task = make_task(author, 0, 1, name="Old")
    before = (task.created_at, task.created_by)
    changed, version = task.updated_at, task.version

    superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}",
        data={"name": "New", "lower_limit": "2", "upper_limit": "3", "version": str(version)},
    )

    session.expire_all()
    assert (task.name, task.lower_limit, task.upper_limit) == ("New", 2.0, 3.0)
    assert task.enabled is False
    assert (task.created_at, task.created_by) == before
    assert task.updated_at > changed
    assert task.version == version + 1


def test_the_second_of_two_edits_is_refused(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Whoever loaded the form before the other saved it gets a sentence, and overwrites nothing."""
    task = make_task(None, 0, 1)
    form = {"lower_limit": "5", "upper_limit": "6", "version": str(task.version)}
    superuser.post(f"/taskadmin/tasks/edit/?id={task.id}", data=form)

    answer = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}", data={**form, "lower_limit": "4"}
    )

    assert "Somebody else changed this task meanwhile: reload it and try again." in answer.text
    session.expire_all()
    assert task.lower_limit == 5
