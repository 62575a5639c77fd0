"""Delete, run now, pause and resume: on one task and on a selection."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import next_messages
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    RunState,
    Task,
    TaskPause,
    TaskResult,
    User,
)
from taskadmin.store import audit
from taskadmin.store.audit import Filter
from taskadmin.store.results import page_of_runs
from taskadmin.store.tasks import find_task
from taskadmin.store.users import set_preferences


def count(session: Session, model: type[Any]) -> int:
    """How many rows there are."""
    session.expire_all()
    return session.scalar(select(func.count()).select_from(model)) or 0


def act(client: FlaskClient, action: str, *ids: object, path: str = "", **more: str) -> Any:
    """Do *action* on tasks."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post(f"/taskadmin/tasks/action/{path}", data=data)


def test_deleting_says_how_much_goes_and_deletes_it(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """First the counts, then with them confirmed tasks and results; others stay."""
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


def test_flask_admins_own_delete_address_works(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """POST with an id; one that isn't there deletes nothing."""
    task = make_task()

    superuser.post("/taskadmin/tasks/delete/", data={"id": "99999"})
    assert find_task(session, task.id) is not None
    superuser.post("/taskadmin/tasks/delete/", data={"id": str(task.id)})
    session.expire_all()
    assert find_task(session, task.id) is None


def test_the_log_says_who_did_it(
    superuser: FlaskClient, make_task: MakeTask, caplog: pytest.LogCaptureFixture
) -> None:
    """By name, as a value of its own: the commit before has expired the person's row."""
    task = make_task()
    caplog.set_level(logging.INFO, "taskadmin.admin")

    act(superuser, "run_now", task.id)

    (record,) = [one for one in caplog.records if one.getMessage() == "chief started 1 runs"]
    assert record.__dict__["user"] == "chief"
    assert record.__dict__["launch_id"] == 1


def test_run_now_queues_and_sends_a_run_for_each_selected_task(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Paused tasks too: a person asked for them."""
    tasks = [make_task().id, make_task(enabled=False).id]
    make_task()

    act(superuser, "run_now", *tasks)

    assert next_messages(superuser) == ["2 runs are queued and sent to the workers."]
    launch = session.scalars(select(Launch)).one()
    assert (launch.kind, launch.requested_by, launch.queued) == (LaunchKind.MANUAL, chief.id, 2)
    assert launch.state == LaunchState.PUBLISHED
    runs = session.scalars(select(TaskResult).order_by(TaskResult.task_id)).all()
    assert [(run.task_id, run.state) for run in runs] == [(t, RunState.QUEUED) for t in tasks]


def test_a_rows_own_button_starts_that_row_only(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Whatever else is ticked."""
    first, second = make_task().id, make_task().id

    act(superuser, "run_now", second, path=f"?only={first}")

    assert session.scalars(select(TaskResult.task_id)).all() == [first]


def test_a_double_submit_starts_nothing_twice(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The same page and selection once; another selection from the same page again."""
    first, second, key = make_task().id, make_task().id, str(uuid4())

    act(superuser, "run_now", first, request_key=key)
    act(superuser, "run_now", first, request_key=key)
    act(superuser, "run_now", second, request_key=key)

    assert next_messages(superuser) == [
        "1 run is queued and sent to the workers.",
        "These runs were started already; nothing was started twice.",
        "1 run is queued and sent to the workers.",
    ]
    assert count(session, TaskResult) == 2


def test_nothing_selected_is_said(session: Session, superuser: FlaskClient) -> None:
    """No launch without a task."""
    act(superuser, "run_now", "abc")

    assert next_messages(superuser) == ["No run was started: select the tasks to run."]
    assert count(session, Launch) == 0


@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//"})
def test_without_the_broker_runs_wait_in_the_ledger(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The page answers soon, says so, and leaves the launch to the launcher."""
    begun = time.monotonic()
    act(superuser, "run_now", make_task().id)

    assert time.monotonic() - begun < 10, "the page must not wait for the broker"
    assert next_messages(superuser) == ["1 run is queued and will be sent when the broker is back."]
    launch = session.scalars(select(Launch)).one()
    assert (launch.state, launch.owner) == (LaunchState.OPENING, None)
    assert session.scalars(select(TaskResult.state)).all() == [RunState.QUEUED]


def test_pause_and_resume_a_selection(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Asked why and until when first; who, why and until when is shown, and on the trail."""
    task = make_task(name="Dice")
    version, changed = task.version, task.updated_at

    question = act(superuser, "pause", task.id)

    assert "Pause 1 task?" in question.text
    assert 'name="resume_at"' in question.text
    session.expire_all()
    assert task.enabled is True
    act(
        superuser,
        "pause",
        task.id,
        confirmed="yes",
        note="<Too loud>",
        resume_at="2999-01-02T03:04",
    )
    session.expire_all()
    assert task.updated_at > changed
    assert (task.enabled, task.version) == (False, version + 1)
    assert next_messages(superuser) == ["1 task paused."]
    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}").text
    assert " by chief: &lt;Too loud&gt;" in page
    assert "It resumes on 2999-01-02 03:04:00 UTC." in page
    listed = superuser.get("/taskadmin/tasks/").text
    assert "<strong>paused</strong> by chief until <time" in listed
    assert "</time>: &lt;Too loud&gt;" in listed
    act(superuser, "resume", task.id)
    assert next_messages(superuser) == ["1 task resumed."]
    session.expire_all()
    assert task.enabled is True
    trail = audit.page(session, Filter(), limit=9)
    assert [(entry.actor_id, entry.action, entry.source) for entry in trail] == [
        (chief.id, "resumed", "127.0.0.1"),
        (chief.id, "paused", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"note": "x" * 501}, "A note has at most 500 characters."),
        ({"resume_at": "2001-01-01T00:00"}, "This time is over: choose a later one, or none."),
        ({"resume_at": "tomorrow"}, "Not a valid datetime value."),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_pause_that_makes_no_sense_is_asked_again(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    given: dict[str, str],
    message: str,
) -> None:
    """With the message at the field, and the selection kept."""
    task = make_task()

    answer = act(superuser, "pause", task.id, confirmed="yes", **given)

    assert answer.status_code == 422
    assert message in answer.text
    assert f'name="ids" value="{task.id}"' in answer.text
    session.expire_all()
    assert task.enabled is True


@pytest.mark.parametrize("action", ["resume", "pause", "delete"])
def test_actions_on_what_is_gone_say_that_nothing_was_done(
    superuser: FlaskClient, action: str
) -> None:
    """No number of nothing that would look like a success."""
    act(superuser, action, 12345, confirmed="yes")

    (told,) = next_messages(superuser)
    assert told.startswith("Nothing was ") and "gone" in told


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
@pytest.mark.databases("sqlite")
def test_an_expired_form_is_said_to_be_so(superuser: FlaskClient, make_task: MakeTask) -> None:
    """In our words, not in Flask-Admin's, and nothing is done."""
    answer = act(superuser, "run_now", make_task().id)

    assert answer.status_code == 400
    assert "<h1>This form has expired</h1>" in answer.text


@pytest.mark.parametrize(
    ("zone", "shown"),
    [(None, "Time in UTC."), ("Asia/Tokyo", "Time in Asia/Tokyo.")],
)
def test_a_pause_ends_by_the_readers_clock(
    session: Session,
    superuser: FlaskClient,
    chief: User,
    make_task: MakeTask,
    zone: str | None,
    shown: str,
) -> None:
    """The page says whose clock is meant."""
    set_preferences(session, chief, language=None, zone=zone)
    task_id = make_task().id

    assert shown in act(superuser, "pause", task_id).text
    act(superuser, "pause", task_id, confirmed="yes", resume_at="2199-03-01T12:00")

    pause = session.get_one(TaskPause, task_id)
    assert pause.resume_at == datetime(2199, 3, 1, 12 if zone is None else 3, tzinfo=UTC)
