"""Concurrent requests of two users, or of one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask, MakeUser, SignIn
from services.pages import field_errors
from taskadmin.models import Launch, Task, TaskResult, User
from taskadmin.store.tasks import tasks

CONFLICT = "Someone else changed this task in the meantime: reload it and try again."
LIMITS = {"lower_limit": "5", "upper_limit": "6"}


def test_two_superusers_who_demote_each_other_do_not_both_succeed(
    app: Flask, session: Session, sign_in: SignIn, make_user: MakeUser, at_once: AtOnce
) -> None:
    """One remains; the other reads the reason or has lost access."""
    ada, bea = make_user("ada", is_superuser=True), make_user("bea", is_superuser=True)
    by_ada, by_bea = sign_in(ada), sign_in(bea)

    answers = at_once(
        lambda: by_ada.post(f"/taskadmin/users/edit/?id={bea.id}", data={"is_active": "y"}),
        lambda: by_bea.post(f"/taskadmin/users/edit/?id={ada.id}", data={"is_active": "y"}),
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([302, 403], [302, 422]), statuses
    assert session.scalar(select(func.count()).where(User.is_superuser)) == 1


def test_concurrent_submits_launch_once(
    session: Session, app: Flask, sign_in: SignIn, chief: User, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Both requests get a response; one of them launches."""
    data = {"action": "run_now", "rowid": str(make_task().id), "request_key": str(uuid4())}
    first, second = sign_in(chief), sign_in(chief)

    answers = at_once(
        lambda: first.post("/taskadmin/tasks/action/", data=data),
        lambda: second.post("/taskadmin/tasks/action/", data=data),
    )

    assert [answer.status_code for answer in answers] == [302, 302]
    assert session.scalar(select(func.count()).select_from(Launch)) == 1
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 1


def test_of_two_edits_at_once_one_is_saved(
    session: Session, sign_in: SignIn, chief: User, make_task: MakeTask, at_once: AtOnce
) -> None:
    """The other gets an error; stored values are all from one of them."""
    task = make_task(None, 0, 1)
    path, version = f"/taskadmin/tasks/edit/?id={task.id}", str(task.version)
    forms = [
        {"name": str(low), "lower_limit": str(low), "upper_limit": str(low), "version": version}
        for low in (3, 4)
    ]
    clients = [sign_in(chief), sign_in(chief)]

    answers = at_once(
        lambda: clients[0].post(path, data=forms[0]), lambda: clients[1].post(path, data=forms[1])
    )

    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert CONFLICT in next(answer.text for answer in answers if answer.status_code == 409)
    session.expire_all()
    assert (task.name, task.lower_limit, task.upper_limit) in (("3", 3, 3), ("4", 4, 4))


@pytest.mark.parametrize(("statement", "status"), [("update", 409), ("delete", 404)])
def test_a_task_that_changes_while_it_is_saved_is_not_overwritten(
    engine: Engine,
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    status: int,
) -> None:
    """If it is changed or deleted before the UPDATE, the response is an error or 404."""
    task_id = make_task(None, 0, 1).id
    session.commit()  # so that SQLite's writer doesn't wait for this session
    original = tasks.update_task

    def somebody_is_faster(*arguments: Any, **options: Any) -> Task:
        change: Any = {
            "update": update(Task).values(lower_limit=0.5, version=Task.version + 1),
            "delete": delete(Task),
        }[statement]
        with Session(engine) as other:
            other.execute(change)
            other.commit()
        return original(*arguments, **options)

    monkeypatch.setattr(tasks, "update_task", somebody_is_faster)

    answer = superuser.post(f"/taskadmin/tasks/edit/?id={task_id}", data={**LIMITS, "version": "1"})

    assert answer.status_code == status
    assert session.scalars(select(Task.lower_limit)).all() == ([0.5] if status == 409 else [])


def test_a_deleted_task_cannot_be_edited(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """An open form gets 404, and the task stays deleted."""
    task_id = make_task().id
    superuser.post("/taskadmin/tasks/delete/", data={"id": str(task_id)})

    answer = superuser.post(f"/taskadmin/tasks/edit/?id={task_id}", data={**LIMITS, "version": "1"})

    assert answer.status_code == 404
    assert session.scalar(select(func.count()).where(Task.deleted_at.is_(None))) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("version", ["", "abc", "-1", "2", "9" * 30, "1.0"])
def test_an_edit_of_another_version_is_refused(
    session: Session, superuser: FlaskClient, make_task: MakeTask, version: str
) -> None:
    """A form without its initial version overwrites nothing."""
    task = make_task(None, 0, 1)

    answer = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}", data={**LIMITS, "version": version}
    )

    assert answer.status_code == 409
    assert CONFLICT in answer.text
    assert field_errors(answer.text) == []
    session.expire_all()
    assert task.lower_limit == 0


@pytest.mark.parametrize(
    ("kept", "status", "location"),
    [
        ("is_active", 403, ""),
        ("is_superuser", 302, "/taskadmin/login?next=/taskadmin/users/"),
    ],
)
def test_superusers_may_give_up_their_rights_while_there_is_another(
    superuser: FlaskClient, chief: User, make_user: MakeUser, kept: str, status: int, location: str
) -> None:
    """They lose access with that request; who deactivates herself is logged out."""
    make_user("other", is_superuser=True)

    answer = superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data={kept: "y"})

    assert answer.status_code == 302
    answer = superuser.get("/taskadmin/users/")
    assert (answer.status_code, answer.location or "") == (status, location)
