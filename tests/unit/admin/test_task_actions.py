"""Delete, run now, enable and disable: on one task and on a selection."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import next_messages
from taskadmin.models import Launch, LaunchKind, LaunchState, RunState, Task, TaskResult, User
from taskadmin.store.results import page_of_runs
from taskadmin.store.tasks import find_task


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


def test_run_now_queues_and_sends_a_run_for_each_selected_task(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Disabled tasks too: a person asked for them."""
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


def test_enable_and_disable_a_selection(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """How many changed is said, and the form of somebody who edits is outdated."""
    task = make_task()
    version, changed = task.version, task.updated_at

    act(superuser, "disable", task.id)

    session.expire_all()
    assert task.updated_at > changed
    assert (task.enabled, task.version) == (False, version + 1)
    assert next_messages(superuser) == ["1 task disabled."]
    act(superuser, "enable", task.id)
    session.expire_all()
    assert task.enabled is True
