"""Runs with ``taskadmin.service``, directly and through pages and command line."""

from __future__ import annotations

import html
import json
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from services.browser import sign_in
from services.pages import messages
from taskadmin import service
from taskadmin.cli import taskadmin_cli
from taskadmin.errors import (
    BrokerUnavailable,
    InvalidArguments,
    SendingDisabled,
    UnknownTask,
)
from taskadmin.models import AuditEntry, Launch, RunState, Task, TaskResult, User
from taskadmin.service import Sending
from taskadmin.state import get_state
from taskadmin.store.launches.launches import LaunchLost


def run_by_page(app: Flask, chief: User, task_id: int) -> str:
    """Return the page's message after "Run now"."""
    client = sign_in(app.test_client(), chief)
    data = {"action": "run_now", "rowid": [str(task_id)]}
    answer = client.post("/taskadmin/tasks/action/", data=data, follow_redirects=True)
    return html.unescape(messages(answer.text)[-1])


def run_by_command(app: Flask, task_id: int) -> Any:
    """Return the output of ``tasks run --json``."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["tasks", "run", str(task_id), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.mark.parametrize(
    ("raised", "sending", "owned", "sentence"),
    [
        (LaunchLost, Sending.SENT, True, "1 run queued and sent to the workers."),
        (
            BrokerUnavailable,
            Sending.BROKER_AWAY,
            False,
            "1 run queued; it will be sent when the broker is back.",
        ),
        (
            SendingDisabled,
            Sending.DISABLED,
            False,
            "1 run queued; it isn't sent to workers while Celery's task_always_eager is on.",
        ),
    ],
)
def test_every_way_in_bears_the_same_while_it_sends(
    app: Flask,
    session: Session,
    make_task: MakeTask,
    make_user: MakeUser,
    raised: type[Exception],
    sending: Sending,
    owned: bool,
    sentence: str,
) -> None:
    """A launch taken by a launcher counts as sent; without a broker, it is released at once."""

    def publish(launch_id: int, owner: object) -> int:
        raise raised

    get_state(app).publish = publish
    chief, task_id = make_user("chief", is_superuser=True), make_task().id

    assert run_by_page(app, chief, task_id) == sentence
    assert run_by_command(app, task_id)["sent"] is (sending is Sending.SENT)
    with app.app_context():
        assert service.start_task(task_id).sending is sending
    owners = session.scalars(select(Launch.owner)).all()
    assert [owner is not None for owner in owners] == [owned] * 3


def test_a_task_is_started_by_name_with_other_arguments(
    context: Flask, session: Session, mail: int
) -> None:
    """Stored in the job's form, with secrets masked; the actor is the application."""
    started = service.start_task("Mail", arguments={"to": "bob", "password": "swordfish"})

    assert (started.queued, started.sending, started.is_repeated) == (1, Sending.SENT, False)
    run = session.scalars(select(TaskResult)).one()
    assert [run.launch_id] == started.launch_ids
    assert (run.task_id, run.task_params["to"], run.task_params["copies"]) == (mail, "bob", 1)
    assert run.task_params["_masked"] == ["password"]
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor, entry.source) == ("started", "host", "application")
    assert "swordfish" not in str(entry.after)


def test_arguments_masked_by_the_task_stay_masked(app: Flask, session: Session, mail: int) -> None:
    """Also an argument that was secret when the task was stored, but isn't for the job now."""
    task = session.get_one(Task, mail)
    task.params = {**task.params, "_masked": ["to"]}
    session.commit()

    done = app.test_cli_runner().invoke(taskadmin_cli, ["tasks", "run", str(mail), "--arg", "to=x"])

    assert done.exit_code == 0, done.output
    assert session.scalars(select(TaskResult)).one().task_params["_masked"] == ["password", "to"]


@pytest.mark.parametrize(
    ("task", "arguments", "error", "told"),
    [
        ("Nobody", None, UnknownTask, "There is no task Nobody."),
        (999, None, UnknownTask, "There is no task 999."),
        ("Twin", None, UnknownTask, "Several tasks are called Twin: use the id, one of 2, 3."),
        ("Mail", {"to": "bob"}, InvalidArguments, "password: This argument is required."),
        ("Mail", {"cc": "x"}, InvalidArguments, "Unknown argument: cc."),
    ],
)
def test_tasks_that_cannot_be_started_are_reported(
    context: Flask,
    session: Session,
    mail: int,
    make_task: MakeTask,
    task: int | str,
    arguments: dict[str, Any] | None,
    error: type[Exception],
    told: str,
) -> None:
    """Nothing is changed."""
    make_task(name="Twin"), make_task(name="Twin")

    with pytest.raises(error) as caught:
        service.start_task(task, arguments=arguments)

    assert told in str(caught.value)
    assert session.scalar(select(func.count()).select_from(Launch)) == 0


@pytest.mark.parametrize("key", ["import of 1 May", "\ud800"])
def test_a_request_key_starts_once(context: Flask, session: Session, mail: int, key: str) -> None:
    """Any text; a repeated call returns the first one's launch."""
    first = service.start_task(mail, request_key=key)
    second = service.start_task(mail, request_key=key)

    assert (second.is_repeated, second.launch_ids) == (True, first.launch_ids)
    assert service.start_task(mail, request_key=f"{key}!").launch_ids != first.launch_ids
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 2


@pytest.mark.databases("sqlite")
def test_more_than_one_launch_holds_is_left_to_launchers(
    context: Flask, session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller doesn't wait for sending, and all launches are released."""
    monkeypatch.setattr(service.tasks, "MAX_ROWS_PER_TRANSACTION", 2)

    started = service.start_tasks([make_task().id for _ in range(3)])

    assert (started.queued, started.sending) == (3, Sending.BY_LAUNCHER)
    launches = session.scalars(select(Launch).order_by(Launch.id)).all()
    assert [launch.id for launch in launches] == started.launch_ids
    assert [launch.queued for launch in launches] == [2, 1]
    assert {launch.owner for launch in launches} == {None}


def test_running_jobs_and_queued_runs_are_reported_separately(
    context: Flask, session: Session, make_task: MakeTask
) -> None:
    """Only queued runs are cancelled, unless jobs should be terminated, too."""
    service.start_tasks([make_task().id for _ in range(3)])
    ids = session.scalars(select(TaskResult.id).order_by(TaskResult.id)).all()
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == ids[1])
        .values(
            state=RunState.RUNNING,
            token=uuid4(),
            process_id=uuid4(),
            started_at=TaskResult.queued_at,
        )
    )
    session.commit()
    get_state(context).terminate = lambda run_ids: dict.fromkeys(run_ids, "terminated")

    assert service.cancel_runs(ids[:2]) == service.Cancellation(1, {})
    assert service.terminate_runs(ids) == service.Cancellation(2, {"terminated": 2})
    assert {run.state for run in session.scalars(select(TaskResult))} == {RunState.CANCELLED}
    assert service.delete_runs(ids) == ([], 0)
