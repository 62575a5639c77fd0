"""Fixtures for the tests of an application with taskadmin.

Add them to your ``conftest.py``, beside a fixture ``app`` that returns your Flask application:

.. code-block:: python

    pytest_plugins = ["taskadmin.testing"]

``app`` names a database of the tests' own. No broker is needed. Requires pytest.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import FlaskLoginClient
from sqlalchemy import Connection, func, select

from . import migrations, service
from .errors import RegistrationError
from .jobs import all_jobs
from .models import ProcessKind, TaskResult, User
from .queue.executor.delivery import Delivery
from .queue.executor.execution import execute
from .queue.worker.heartbeat import Heartbeat
from .state import get_state
from .store.upkeep.processes import ProcessIdentity

#: The superuser of the fixtures.
_SUPERUSER = "taskadmin-tests"


class _NoThread(Heartbeat):
    """A heartbeat that is never renewed: a database in memory has one connection."""

    def start(self) -> None:
        pass


class RunNow(Protocol):
    """Type of the fixture ``run_now``."""

    def __call__(self, job: str, /, **arguments: object) -> TaskResult:
        """Execute a job in this process as a worker would, and return the run.

        A failed attempt of a job that may be repeated leaves the run queued for the next one.

        Args:
            job: The job's name.
            arguments: The job's arguments, checked as a form's are.

        Raises:
            UnknownJob: If the job isn't registered.
            InvalidArguments: If the arguments don't fit the job.
        """


@pytest.fixture
def taskadmin_tables(app: Flask) -> Iterator[None]:
    """Create taskadmin's tables with its migrations, and remove them after the test."""
    migrations.upgrade(app)
    yield
    migrations.drop_tables(app)


@contextmanager
def joined(app: Flask, connection: Connection) -> Iterator[None]:
    """Let taskadmin use the host's session, which is bound to a connection that is rolled back.

    Only needed with ``TASKADMIN_SCHEMA``, where taskadmin has a session of its own; it is found by
    the connection's ``search_path`` instead.

    Args:
        connection: A connection with a transaction, to which your fixture binds ``db.session``.
    """
    state = get_state(app)
    schema, sessions, db = state.settings.database_schema, state.sessions, state.db
    if schema is not None and db is not None:
        path = func.concat_ws(", ", func.current_setting("search_path"), func.quote_ident(schema))
        connection.execute(select(func.set_config("search_path", path, True)))
        state.sessions = lambda: db.session()
    try:
        yield
    finally:
        state.sessions = sessions


@pytest.fixture
def taskadmin_superuser(app: Flask, taskadmin_tables: None) -> User:
    """A superuser of taskadmin's own accounts, who is also the author of ``run_now``'s tasks."""
    with app.app_context():
        return service.find_user(_SUPERUSER) or service.create_user(_SUPERUSER, is_superuser=True)


@pytest.fixture
def taskadmin_client(app: Flask, taskadmin_superuser: User) -> FlaskClient:
    """A client of ``app`` that is logged in as a superuser.

    Raises:
        RegistrationError: If the application has ``identity``, and thus a log in of its own.
    """
    with app.app_context():
        if get_state().has_identity:
            raise RegistrationError(
                f"{app.name!r} has identity=: log in as its own users do, instead of using"
                " taskadmin_client."
            )
        user = service.find_user(_SUPERUSER)
        assert user is not None
        user.session_key = service.begin_session(
            user.id, nonce=user.session_nonce, address="127.0.0.1", user_agent="tests"
        )
        client: FlaskClient = FlaskLoginClient(app, app.response_class, user=user)
    return client


@pytest.fixture
def run_now(app: Flask, taskadmin_superuser: User) -> Iterator[RunNow]:
    """Execute jobs in this process, without broker and workers."""
    host = socket.gethostname()
    worker = f"tests@{host}"
    who = ProcessIdentity(ProcessKind.WORKER, worker, host, os.getpid())
    beat = _NoThread(app, who)

    def run(job: str, /, **arguments: object) -> TaskResult:
        with app.app_context():
            state = get_state()
            task = service.create_task(job=job, arguments=arguments, author=_SUPERUSER)
            publish, state.publish = state.publish, None
            try:
                [launch_id] = service.start_task(task.id).launch_ids
            finally:
                state.publish = publish
            [queued] = service.find_runs(launch_id=launch_id)
            delivery = Delivery(
                runs=[(queued.id, queued.due_at)],
                worker=worker,
                redelivered=False,
                heartbeat=lambda: beat,
                queues=[all_jobs()[job].queue],
            )
            execute(state.session, delivery)
            found = service.find_run(queued.id)
            assert found is not None
            state.session.refresh(found)
            return found

    yield run
    beat.stop("The test has ended.")
