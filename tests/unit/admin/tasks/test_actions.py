"""Delete and run now: a task and a selection."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import act, messages, next_messages
from services.rows.tasks import count
from taskadmin import service
from taskadmin.errors import InvalidArguments
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    RunState,
    Task,
    TaskResult,
    User,
)
from taskadmin.queue import extension
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter
from taskadmin.store.runs.results import page_of_runs
from taskadmin.store.tasks.tasks import find_task


def test_deleting_says_how_much_goes_and_deletes_it(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """After a confirmation with counts; other tasks stay."""
    first, second, third = make_task().id, make_task().id, make_task().id
    act(superuser, "run_now", first, second, third)

    question = act(superuser, "delete", first, second)

    assert "Delete 2 tasks and 2 results" in question.text
    assert (count(session, Task), count(session, TaskResult)) == (3, 3)
    act(superuser, "delete", first, second, "abc", -1, 10**30, confirmed="yes")
    assert next_messages(superuser)[-1] == "2 tasks and 2 results deleted."
    assert session.scalars(select(Task.id).where(Task.deleted_at.is_(None))).all() == [third]
    assert [run.task_id for run in page_of_runs(session, limit=9)] == [third]
    trail = audit.page(session, Filter(), limit=9)
    assert [(entry.action, entry.subject_id) for entry in trail] == [
        *(("deleted", second), ("deleted", first)),
        *(("started", third), ("started", second), ("started", first)),
    ]


@pytest.mark.parametrize("action", ["run_now", "resume", "pause", "clone", "delete"])
def test_a_page_that_asks_about_one_task_names_it(
    superuser: FlaskClient, make_task: MakeTask, action: str
) -> None:
    """Several are counted only."""
    make_task(name="Dice & co")
    assert '<p class="name">Dice &amp; co</p>' in act(superuser, action, all="yes").text
    make_task(name="Other")
    assert "Dice &amp; co" not in act(superuser, action, all="yes").text


def test_flask_admins_own_delete_address_works(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """POST with an id; an unknown one deletes nothing."""
    task = make_task()

    superuser.post("/taskadmin/tasks/delete/", data={"id": "99999"})
    assert find_task(session, task.id) is not None
    superuser.post("/taskadmin/tasks/delete/", data={"id": str(task.id)})
    session.expire_all()
    assert find_task(session, task.id) is None


def test_the_log_names_the_user(
    superuser: FlaskClient, make_task: MakeTask, caplog: pytest.LogCaptureFixture
) -> None:
    """By name, read before the commit expires the user."""
    task = make_task()
    caplog.set_level(logging.INFO, "taskadmin.service")

    act(superuser, "run_now", task.id)

    (record,) = [one for one in caplog.records if one.getMessage() == "chief started 1 runs"]
    assert record.__dict__["user"] == "chief"
    assert record.__dict__["launch_id"] == 1


def test_run_now_queues_and_sends_a_run_for_each_selected_task(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Paused tasks, too."""
    tasks = [make_task().id, make_task(enabled=False).id]
    make_task()

    act(superuser, "run_now", *tasks)

    assert next_messages(superuser) == ["2 runs queued and sent to the workers."]
    launch = session.scalars(select(Launch)).one()
    assert (launch.kind, launch.requested_by, launch.queued) == (LaunchKind.MANUAL, chief.id, 2)
    assert launch.state == LaunchState.PUBLISHED
    runs = session.scalars(select(TaskResult).order_by(TaskResult.task_id)).all()
    assert [(run.task_id, run.state) for run in runs] == [(t, RunState.QUEUED) for t in tasks]


def test_a_rows_own_button_starts_that_row_only(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Independent of the selection."""
    first, second = make_task().id, make_task().id

    act(superuser, "run_now", second, path=f"?only={first}")

    assert session.scalars(select(TaskResult.task_id)).all() == [first]


def test_a_double_submit_starts_nothing_twice(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The same selection from the same page, once; another selection starts others."""
    first, second, key = make_task().id, make_task().id, str(uuid4())

    act(superuser, "run_now", first, request_key=key)
    act(superuser, "run_now", first, request_key=key)
    act(superuser, "run_now", second, request_key=key)

    assert next_messages(superuser) == [
        "1 run queued and sent to the workers.",
        "These runs were already started; nothing was started twice.",
        "1 run queued and sent to the workers.",
    ]
    assert count(session, TaskResult) == 2


def test_an_empty_selection_is_reported(session: Session, superuser: FlaskClient) -> None:
    """There is no launch without a task."""
    act(superuser, "run_now", "abc")

    assert next_messages(superuser) == ["No run was started: select at least one task."]
    assert count(session, Launch) == 0


@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//"})
def test_without_the_broker_runs_wait_in_the_ledger(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page responds quickly, says so, and leaves the launch to a launcher."""
    monkeypatch.setattr(extension, "_PUBLISH_SECONDS", 8.0)  # for a busy machine
    begun = time.monotonic()
    act(superuser, "run_now", make_task().id)

    assert time.monotonic() - begun < 10, "the page must not wait for the broker"
    assert next_messages(superuser) == ["1 run queued; it will be sent when the broker is back."]
    launch = session.scalars(select(Launch)).one()
    assert (launch.state, launch.owner) == (LaunchState.OPENING, None)
    assert session.scalars(select(TaskResult.state)).all() == [RunState.QUEUED]


def test_what_could_not_be_sent_in_time_is_sent_by_a_launcher(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the page doesn't say that it was sent."""
    monkeypatch.setattr(extension, "_PUBLISH_SECONDS", 0.0)
    act(superuser, "run_now", make_task().id)

    assert next_messages(superuser) == ["1 run queued; the launcher sends it to the workers."]
    launch = session.scalars(select(Launch)).one()
    assert (launch.state, launch.owner) == (LaunchState.OPENING, None)


@pytest.mark.databases("sqlite")
def test_arguments_may_become_wrong_while_they_are_sent(
    superuser: FlaskClient, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may compare them with the time: no run starts, and the page shows the reason."""

    def refuse(job: str, arguments: object) -> None:
        raise InvalidArguments("day: This day is over.")

    monkeypatch.setattr(service.runs, "validated_arguments", refuse)
    limits = {"lower_limit": "0", "upper_limit": "1"}
    answer = superuser.post(
        f"/taskadmin/tasks/run/?id={make_task().id}", data=limits, follow_redirects=True
    )

    assert messages(answer.text) == ["No run was started; day: This day is over."]


@pytest.mark.parametrize("action", ["resume", "pause", "delete"])
def test_actions_on_deleted_tasks_report_that_nothing_was_done(
    superuser: FlaskClient, action: str
) -> None:
    """ "0 tasks" would look like success."""
    act(superuser, action, 12345, confirmed="yes")

    (told,) = next_messages(superuser)
    assert told.startswith("Nothing was ") and "no longer exist" in told


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.databases("sqlite")
def test_an_expired_form_is_reported(superuser: FlaskClient, make_task: MakeTask) -> None:
    """With taskadmin's message, and nothing is done."""
    answer = act(superuser, "run_now", make_task().id)

    assert answer.status_code == 400
    assert "<h1>This form has expired</h1>" in answer.text
