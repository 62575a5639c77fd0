"""Two people, or one person twice, at the same moment."""

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
from taskadmin.store import tasks

CONFLICT = "Somebody else changed this task meanwhile: reload it and try again."
LIMITS = {"lower_limit": "5", "upper_limit": "6"}


def test_two_superusers_who_demote_each_other_do_not_both_succeed(
    app: Flask, session: Session, sign_in: SignIn, make_user: MakeUser, at_once: AtOnce
) -> None:
    """One is left, whoever is faster; the other reads why, or has lost the right to ask."""
    ada, bea = make_user("ada", is_superuser=True), make_user("bea", is_superuser=True)
    by_ada, by_bea = sign_in(ada), sign_in(bea)

    answers = at_once(
        lambda: by_ada.post(f"/taskadmin/users/edit/?id={bea.id}", data={"is_active": "y"}),
        lambda: by_bea.post(f"/taskadmin/users/edit/?id={ada.id}", data={"is_active": "y"}),
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([302, 403], [302, 422]), statuses
    assert session.scalar(select(func.count()).where(User.is_superuser)) == 1


def test_a_double_click_at_once_starts_nothing_twice(
    session: Session, app: Flask, sign_in: SignIn, chief: User, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Both requests are answered; one of them launched."""
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
    """The other gets the sentence; what is stored is all from one of them."""
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
    """Changed or deleted between the look and the UPDATE: a sentence, or not found."""
    task_id = make_task(None, 0, 1).id
    session.commit()  # SQLite's writer must not wait for this session
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
    """Whoever still has the form open gets 404, and no task comes back."""
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
    """A form without the version it began with overwrites nothing."""
    task = make_task(None, 0, 1)

    answer = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}", data={**LIMITS, "version": version}
    )

    assert answer.status_code == 409
    assert CONFLICT in answer.text
    assert field_errors(answer.text) == []
    session.expire_all()
    assert task.lower_limit == 0


def test_superusers_may_demote_themselves_while_there_is_another(
    session: Session, superuser: FlaskClient, chief: User, make_user: MakeUser
) -> None:
    """The right ends with the request that gave it up."""
    make_user("other", is_superuser=True)

    answer = superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data={"is_active": "y"})

    assert answer.status_code == 302
    assert superuser.get("/taskadmin/users/").status_code == 403


def test_superusers_who_deactivate_themselves_are_signed_out(
    session: Session, superuser: FlaskClient, chief: User, make_user: MakeUser
) -> None:
    """Their next page is the log in page."""
    make_user("other", is_superuser=True)

    answer = superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data={"is_superuser": "y"})

    assert answer.status_code == 302
    assert superuser.get("/taskadmin/users/").location.startswith("/taskadmin/login")
