"""CSRF tokens of all forms, with and without the host's protection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask, MakeUser
from services.browser import Browser
from taskadmin.models import Task, TaskResult, User
from taskadmin.store.people.passwords import hash_password

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.databases("sqlite")


def walk_through(app: Flask, session: Session, make_user: MakeUser) -> None:
    """Submit all forms with their current values."""
    user = make_user("chief", is_superuser=True)
    user.password_hash = hash_password(PASSWORD)
    session.commit()
    browser = Browser(app)

    browser.submit("/taskadmin/login", username="chief", password=PASSWORD)
    browser.submit("/taskadmin/tasks/new/", name="Dice", lower_limit="1", upper_limit="6")
    assert browser.messages() == ["Dice created."]
    task = session.scalars(select(Task)).one()
    browser.submit(
        f"/taskadmin/tasks/edit/?id={task.id}", name="Die", lower_limit="1", upper_limit="6"
    )
    assert browser.messages() == ["Die saved."]
    browser.post("/taskadmin/tasks/action/", action="run_now")
    assert browser.messages() == ["1 run queued and sent to the workers."]
    assert "<h1>Die" in browser.page, "back on the task's page"
    browser.get("/taskadmin/tasks/")
    browser.post("/taskadmin/tasks/action/", action="resume", rowid=str(task.id))
    assert browser.messages() == ["1 task resumed."]
    browser.get("/taskadmin/tasks/")
    browser.post("/taskadmin/tasks/action/", action="delete", rowid=str(task.id))
    assert "Delete 1 task?" in browser.page
    browser.post("/taskadmin/tasks/action/")
    assert browser.messages() == ["1 task and 1 result deleted."]
    browser.submit(f"/taskadmin/users/edit/?id={user.id}", is_active="y", is_superuser="y")
    assert browser.messages() == ["Roles of chief saved."]
    browser.submit(
        "/taskadmin/profile", current=PASSWORD, password="kite boat lamp", confirm="kite boat lamp"
    )
    assert browser.messages() == ["Password changed. Your other sessions have been logged out."]
    browser.post("/taskadmin/logout")
    assert browser.messages() == ["You are logged out."]
    browser.submit("/taskadmin/register", username="ana", password=PASSWORD, confirm=PASSWORD)
    assert browser.messages() == ["Welcome, ana."]
    assert session.scalars(select(TaskResult.state)).all() == ["cancelled"]
    assert len(session.scalars(select(User.id)).all()) == 2


def no_protection(_: Flask) -> None:
    """A host without forms."""


@pytest.mark.parametrize("protect", [no_protection, CSRFProtect])
@pytest.mark.parametrize("field", ["csrf_token", "sent_back"])
def test_every_form_sends_its_token(
    make_app: MakeApp,
    session: Session,
    make_user: MakeUser,
    protect: Callable[[Flask], object],
    field: str,
) -> None:
    """Also with the host's protection, and with its field name."""
    app = make_app(WTF_CSRF_ENABLED=True, WTF_CSRF_FIELD_NAME=field)
    protect(app)

    walk_through(app, session, make_user)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nothing_is_changed_without_a_token(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """By any form of the admin pages, with and without the host's protection."""
    task = make_task(name="Old")
    changed = task.updated_at

    for path, data in (
        ("tasks/new/", {"lower_limit": "0", "upper_limit": "1"}),
        (f"tasks/edit/?id={task.id}", {"lower_limit": "0", "upper_limit": "9", "version": "1"}),
        ("tasks/delete/", {"id": str(task.id)}),
        ("tasks/action/", {"action": "run_now", "rowid": str(task.id)}),
        ("tasks/action/", {"action": "delete", "rowid": str(task.id), "confirmed": "yes"}),
        ("tasks/action/", {"action": "clone", "ids": str(task.id)}),
        (f"tasks/run/?id={task.id}", {"lower_limit": "0", "upper_limit": "1"}),
        ("tasks/ajax/update/", {"list_form_pk": str(task.id), "name": "New"}),
        (f"users/edit/?id={chief.id}", {"is_active": "y", "is_superuser": "y"}),
        ("preferences", {"language": "de", "zone": ""}),
        ("workers/ask/", {}),
        ("logout", {}),
    ):
        for token in ({}, {"csrf_token": "stale"}):
            answer = superuser.post(f"/taskadmin/{path}", data={**data, **token})
            assert answer.status_code in (302, 400, 404, 422), path

    session.expire_all()
    assert [found.updated_at for found in session.scalars(select(Task))] == [changed]
    assert session.scalars(select(TaskResult.state)).all() == []
    assert superuser.get("/taskadmin/tasks/").status_code == 200, "still signed in"
