"""People who are signed in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser, SignIn
from taskadmin.jobs import all_jobs
from taskadmin.models import TaskResult, User
from taskadmin.store import clock
from taskadmin.store.results import insert_runs


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """A browser in which this person is signed in, without the log in page."""

    def sign(user: User) -> FlaskClient:
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = user.get_id()
            cookie["_fresh"] = True
        return client

    return sign


@pytest.fixture
def chief(make_user: MakeUser) -> User:
    """A superuser."""
    return make_user("chief", is_superuser=True)


@pytest.fixture
def superuser(sign_in: SignIn, chief: User) -> FlaskClient:
    """A superuser's browser."""
    return sign_in(chief)


@pytest.fixture
def reviewer(sign_in: SignIn, make_user: MakeUser) -> FlaskClient:
    """A reviewer's browser."""
    return sign_in(make_user("rita", can_review_tasks=True))


@pytest.fixture
def plain(sign_in: SignIn, make_user: MakeUser) -> FlaskClient:
    """The browser of somebody without rights."""
    return sign_in(make_user("boris"))


@pytest.fixture
def runs(session: Session, make_task: MakeTask) -> list[TaskResult]:
    """Three runs of each of two tasks, the oldest first."""
    tasks = [make_task(name="First"), make_task(None, 5, 6, name="Second")]
    begin = clock.now(session)
    for number in range(3):
        insert_runs(
            session,
            tasks,
            launch_id=1,
            due_at=begin + timedelta(minutes=number),
            jobs=all_jobs(),
        )
    session.commit()
    return list(session.scalars(select(TaskResult).order_by(TaskResult.id)))
