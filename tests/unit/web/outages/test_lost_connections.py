"""Pages are delivered even if the connection dies after rendering."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from taskadmin.models import TaskResult
from taskadmin.state import get_state

pytestmark = pytest.mark.databases("postgresql")

PAGES = (
    *("dashboard/", "tasks/", "tasks/new/", "tasks/details/?id={task}", "tasks/edit/?id={task}"),
    *("runs/", "runs/details/?id={run}", "launches/", "failures/", "workers/", "review/"),
    *("users/", "audit/", "profile", "preferences", "nowhere/"),
)
#: The audit trail, without the exports' own entries.
EXPORTS = [
    f"{what}/export/{kind}/{'?kind=task' if what == 'audit' else ''}"
    for what in ("runs", "tasks", "audit")
    for kind in ("csv", "json")
]


class Killer:
    """Terminates the connection's server process before the end of a transaction."""

    def __init__(self, engine: Engine) -> None:
        self._server = create_engine(engine.url, isolation_level="AUTOCOMMIT")
        self._engine = engine
        self.is_armed = False
        self.killed = 0
        event.listen(engine, "rollback", self._kill)

    def _kill(self, connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if not self.is_armed:
            return
        with self._server.connect() as other:
            other.execute(
                text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": driver.info.backend_pid}
            )
        self.killed += 1

    def close(self) -> None:
        event.remove(self._engine, "rollback", self._kill)
        self._server.dispose()


@pytest.fixture
def killer(app: Flask) -> Iterator[Killer]:
    """A killer that isn't active yet."""
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
    killer = Killer(engine)
    yield killer
    killer.close()


@pytest.fixture
def after_the_page(app: Flask, killer: Killer) -> None:
    """Let the connection die after rendering."""

    def arm(response: Response) -> Response:
        if request.endpoint != "static":
            killer.is_armed = True
        return response

    app.after_request(arm)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.usefixtures("after_the_page")
def test_a_page_is_delivered(
    superuser: FlaskClient,
    runs: list[TaskResult],
    killer: Killer,
    caplog: pytest.LogCaptureFixture,
    path: str,
) -> None:
    """The log has the error, and the next page gets a new connection."""
    caplog.set_level(logging.WARNING, "taskadmin.store")
    path = f"/taskadmin/{path.format(task=runs[0].task_id, run=runs[0].id)}"

    answer = superuser.get(path)

    assert answer.status_code == (404 if "nowhere" in path else 200)
    assert answer.text.endswith("</html>")
    assert killer.killed == 1
    assert "A connection died after its work was done" in caplog.text
    killer.is_armed = False
    assert superuser.get("/taskadmin/tasks/").status_code == 200


@pytest.mark.parametrize("path", EXPORTS)
def test_an_export_goes_on(
    superuser: FlaskClient, runs: list[TaskResult], killer: Killer, path: str
) -> None:
    """Rows read before are sent."""
    whole = superuser.get(f"/taskadmin/{path}").text
    killer.is_armed = True

    answer = superuser.get(f"/taskadmin/{path}")

    assert (answer.status_code, answer.text) == (200, whole)
    assert killer.killed > 0


def test_a_form_that_was_saved_says_so(
    superuser: FlaskClient, runs: list[TaskResult], killer: Killer, app: Flask
) -> None:
    """A committed change doesn't look like a failure."""

    def arm(response: Response) -> Response:
        get_state().session.execute(text("SELECT 1"))  # as reading shown rows might do
        killer.is_armed = True
        return response

    app.after_request(arm)

    answer = superuser.post("/taskadmin/preferences", data={"language": "de", "zone": ""})

    assert answer.status_code == 302
    assert killer.killed == 1


def test_a_hosts_own_page_is_its_own(app: Flask, killer: Killer) -> None:
    """Its session ends as without taskadmin."""

    sessions: list[Session] = []

    @app.get("/own")
    def own() -> str:
        sessions.append(get_state().session)
        sessions[0].execute(text("SELECT 1"))
        killer.is_armed = True
        return "own"

    with pytest.raises(OperationalError):
        app.test_client().get("/own")
    sessions[0].invalidate()
