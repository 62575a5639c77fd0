"""Logged-in users, runs, and tools for counting and for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Engine, event, select
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeHost, MakeTask, MakeUser, SignIn
from services.browser import sign_in as signed_in
from services.hosts import host_app
from services.servers.databases import dispose_engines
from taskadmin.jobs import all_jobs
from taskadmin.models import TaskResult, User
from taskadmin.store.database import clock
from taskadmin.store.people.passwords import hash_password
from taskadmin.store.runs.results import insert_runs

PASSWORD = "correct horse battery"


@pytest.fixture
def make_host(database_url: URL) -> Iterator[MakeHost]:
    """Make hosts on the test's database, without taskadmin."""
    made: list[Flask] = []

    def make() -> tuple[Flask, SQLAlchemy]:
        app, db = host_app(database_url, TESTING=True, WTF_CSRF_ENABLED=False)
        made.append(app)
        return app, db

    yield make
    for app in made:
        dispose_engines(app)


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """Log a user in without the log in page, and return the browser."""

    def sign(user: User) -> FlaskClient:
        return signed_in(app.test_client(), user)

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
    """An ordinary user's browser."""
    return sign_in(make_user("boris"))


@pytest.fixture(scope="session")
def password_hash() -> str:
    """A hash shared by all tests, since hashing is slow."""
    return hash_password(PASSWORD)


@pytest.fixture
def password() -> str:
    """ana's password."""
    return PASSWORD


@pytest.fixture
def ana(session: Session, make_user: MakeUser, password_hash: str) -> User:
    """An ordinary user with a password."""
    user = make_user("Ana")
    user.password_hash = password_hash
    session.commit()
    return user


@pytest.fixture
def runs(session: Session, make_task: MakeTask) -> list[TaskResult]:
    """Three runs of each of two tasks, oldest first."""
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


@pytest.fixture
def count_queries() -> CountQueries:
    """``with count_queries() as statements:`` collects the SQL that any engine executes."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    return count


@pytest.fixture
def at_once() -> AtOnce:
    """Call functions in threads that start together at a barrier."""

    def call(*functions: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(functions), timeout=30)

        def wait_and_call(function: Callable[[], Any]) -> Any:
            barrier.wait()
            return function()

        with ThreadPoolExecutor(len(functions)) as pool:
            futures = [pool.submit(wait_and_call, function) for function in functions]
            return [future.exception(60) or future.result() for future in futures]

    return call
