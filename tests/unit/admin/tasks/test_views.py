"""Create and edit tasks."""

from __future__ import annotations

from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from services.pages import field_errors, next_messages
from services.rows.listed_runs import put_runs
from services.rows.tasks import DAILY, count, make
from taskadmin.models import Task, User
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import tasks

WIDEST = 1.7976931348623157e308


def test_every_field_of_the_form_is_stored(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """The author is the current user."""
    answer = superuser.post(
        "/taskadmin/tasks/new/",
        data={"name": " Dice ", "lower_limit": "-1.5e3", "upper_limit": "6", "enabled": "y"},
    )

    task = session.scalars(select(Task)).one()
    assert answer.location == f"/taskadmin/tasks/details/?id={task.id}"
    assert (task.name, task.lower_limit, task.upper_limit) == ("Dice", -1500.0, 6.0)
    assert (task.enabled, task.created_by, task.job) == (True, chief.id, "generate_random_number")
    assert next_messages(superuser) == ["Dice created."]


def test_a_task_can_be_created_disabled_and_without_a_name(
    session: Session, superuser: FlaskClient
) -> None:
    """An empty name means none, an empty checkbox means off."""
    superuser.post("/taskadmin/tasks/new/", data={"lower_limit": "2", "upper_limit": "2"})

    task = session.scalars(select(Task)).one()
    assert (task.name, task.enabled, task.lower_limit) == (None, False, task.upper_limit)


NOT_A_NUMBER = "Enter a number such as -0.5, 10 or 1.5e6."


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
    """422 with the message at the field and the inputs; nothing is saved."""
    answer = superuser.post(
        "/taskadmin/tasks/new/", data={"lower_limit": lower, "upper_limit": upper}
    )

    assert answer.status_code == 422
    assert field_errors(answer.text) == expected
    assert count(session, Task) == 0


@pytest.mark.parametrize("name", ["x" * 201, "a\0b", "a\u202eb", "line\nbreak"])
def test_names_that_cannot_be_shown_are_refused(
    session: Session, superuser: FlaskClient, name: str
) -> None:
    """Too long, or with invisible characters."""
    data = {"name": name, "lower_limit": repr(-WIDEST), "upper_limit": repr(WIDEST)}
    answer = superuser.post("/taskadmin/tasks/new/", data=data)

    assert answer.status_code == 422
    assert [field for field, _ in field_errors(answer.text)] == ["name"]
    assert count(session, Task) == 0


def test_an_edit_changes_everything_but_the_author(
    session: Session, superuser: FlaskClient, make_user: MakeUser, make_task: MakeTask
) -> None:
    """updated_at and version change, created_at and created_by stay."""
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
    """A form loaded before another edit gets a message, and overwrites nothing."""
    task = make_task(None, 0, 1)
    form = {"lower_limit": "5", "upper_limit": "6", "version": str(task.version)}
    superuser.post(f"/taskadmin/tasks/edit/?id={task.id}", data=form)

    answer = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}", data={**form, "lower_limit": "4"}
    )

    assert "Someone else changed this task in the meantime: reload it and try again." in answer.text
    session.expire_all()
    assert task.lower_limit == 5


def test_a_tasks_page_lists_its_changes(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """With user, time, old and new values."""
    task_id = make(session, chief)
    task = tasks.find_task(session, task_id)
    assert task is not None
    tasks.update_task(
        session,
        task,
        version=1,
        name="Nightly <b>",
        enabled=True,
        arguments=task.arguments,
        schedule=DAILY,
        actor=Actor(chief.id, "chief", "192.0.2.1"),
    )

    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}&tab=changes").text

    assert '<span class="muted">Name:</span> Daily → Nightly &lt;b&gt;' in page


def test_a_tasks_page_begins_with_its_next_and_its_last_run(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Live, with a chart of the last runs; each part has an address."""
    task = make_task(name="Dice")
    first = superuser.get(f"/taskadmin/tasks/details/?id={task.id}").text
    assert "This task hasn't run yet." in unescape(first)
    run_ids = put_runs(session, task, ["failed", "succeeded", "succeeded"])

    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}").text

    for region in ("title", "facts", "runs"):
        assert f'data-live="{region}"' in page
    assert "the last 3 runs, 1 failed" in page
    assert f"of run {run_ids[-1]}" in page
    assert [f"Run {id_}</a>" in page for id_ in run_ids] == [True] * 3
    for tab in ("chart", "changes", "definition"):
        assert f'href="/taskadmin/tasks/details/?id={task.id}&amp;tab={tab}"' in page
    assert superuser.get(f"/taskadmin/tasks/details/?id={task.id}&tab=x").status_code == 404
