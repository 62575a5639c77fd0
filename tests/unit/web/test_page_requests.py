"""Timeouts of pages, and limits on concurrent requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.orm import Session

from taskadmin.models import TaskResult
from taskadmin.state import get_state
from taskadmin.store.database.transaction import ledger_transaction, reading
from taskadmin.web import page_requests
from taskadmin.web.page_requests import LIVE_HEADER, POLLS_AT_ONCE, Turns

READS = (
    *("dashboard/", "tasks/", "tasks/details/?id={task}", "runs/", "runs/?search=x"),
    *("runs/details/?id={run}", "launches/", "failures/", "review/", "tasks/export/csv/"),
    *("runs/export/csv/", "runs/export/json/"),
)
WRITES = {
    "run_now": "tasks/action/",
    "resume": "tasks/action/",
    "retry": "runs/action/",
    "delete": "runs/action/",
}


POLL = {LIVE_HEADER: "1"}


class WaitingView:
    """The page of launches, which waits for the test."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self._begun = threading.Semaphore(0)
        self._go_on = threading.Event()
        self.answers: list[int] = []

    def wait(self, *_: object, **__: object) -> list[object]:
        self._begun.release()
        assert self._go_on.wait(30)
        return []

    @contextmanager
    def held_by(self, number: int, **headers: str) -> Iterator[None]:
        """Let that many requests wait for it."""
        path = "/taskadmin/launches/"
        with ThreadPoolExecutor(number) as pool:
            asked = [
                # Different addresses, so that requests don't share a rendered part.
                pool.submit(self._client.get, f"{path}?number={one}", headers=headers)
                for one in range(number)
            ]
            try:
                for _ in range(number):
                    assert self._begun.acquire(timeout=30)
                yield
            finally:
                self._go_on.set()
            self.answers = [one.result().status_code for one in asked]


@pytest.fixture
def waiting_view(superuser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> WaitingView:
    """The page, without requests yet."""
    view = WaitingView(superuser)
    monkeypatch.setattr("taskadmin.admin.launches.views.page_of_launches", view.wait)
    return view


@pytest.fixture
def locked(
    session: Session, runs: list[TaskResult], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, int]]:
    """Tasks, runs and launches are locked, as by a schema change, with short timeouts."""
    monkeypatch.setattr(page_requests, "PAGE_LOCK_SECONDS", 0.1)
    ids = {"task": runs[0].task_id, "run": runs[0].id}
    session.commit()
    session.execute(text("LOCK TABLE taskadmin_task_result, taskadmin_task, taskadmin_launch"))
    yield ids
    session.rollback()


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("path", READS)
def test_a_page_gives_up_on_a_lock(
    superuser: FlaskClient, session: Session, locked: dict[str, int], path: str
) -> None:
    """The page says when to retry; exports haven't begun by then."""
    path = f"/taskadmin/{path.format(**locked)}"

    answer = superuser.get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "<h1>The database is busy</h1>" in answer.text
    assert "too long to answer. Try again in 5 sec." in answer.text
    session.rollback()
    assert superuser.get(path).status_code == 200


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("action", WRITES)
def test_a_change_gives_up_on_a_lock(
    superuser: FlaskClient, locked: dict[str, int], action: str
) -> None:
    """Here of the whole table; a row's is the same."""
    path = WRITES[action]
    row = locked["task" if path.startswith("tasks") else "run"]

    answer = superuser.post(f"/taskadmin/{path}", data={"action": action, "rowid": row})

    assert answer.status_code == 503
    assert "<h1>The database is busy</h1>" in answer.text


@pytest.mark.databases("postgresql")
@pytest.mark.settings(TASKADMIN_STATEMENT_TIMEOUT_SECONDS=0.2)
def test_a_page_gives_up_on_a_statement(
    app: Flask, superuser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without waiting for locks."""

    def look_for_long(*_: object, **__: object) -> None:
        get_state().session.execute(text("SELECT pg_sleep(60)"))

    monkeypatch.setattr("taskadmin.admin.launches.views.page_of_launches", look_for_long)

    answer = superuser.get("/taskadmin/launches/")

    assert answer.status_code == 503
    assert "<h1>The database is busy</h1>" in answer.text


def _limits(session: Session) -> tuple[str, str]:
    names = ("statement_timeout", "lock_timeout")
    statement, lock = (session.scalar(text(f"SHOW {name}")) for name in names)
    return str(statement), str(lock)


@pytest.mark.databases("postgresql")
@pytest.mark.settings(SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0})
def test_a_hosts_pages_have_no_limits(app: Flask, superuser: FlaskClient, db: SQLAlchemy) -> None:
    """On a connection just used by taskadmin, and in its own transactions."""

    @app.get("/own")
    def own() -> list[str]:
        return list(_limits(db.session()))

    assert superuser.get("/taskadmin/tasks/").status_code == 200
    assert app.test_client().get("/own").get_json() == ["0", "0"]


@pytest.mark.databases("postgresql")
@pytest.mark.settings(TASKADMIN_STATEMENT_TIMEOUT_SECONDS=8)
def test_every_transaction_of_a_page_is_limited(
    app: Flask, superuser: FlaskClient, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's earlier one, read-only ones, and the ledger's."""
    found: dict[str, tuple[str, str]] = {}

    def look(*_: object, **__: object) -> list[object]:
        session = db.session()
        found["first"] = _limits(session)
        session.rollback()
        found["another"] = _limits(session)
        session.rollback()
        with reading(session, seconds=2):
            found["reading"] = _limits(session)
        with reading(session, seconds=60):
            found["long"] = _limits(session)
        with ledger_transaction(session):
            found["ledger"] = _limits(session)
        return []

    monkeypatch.setattr("taskadmin.admin.launches.views.page_of_launches", look)

    assert superuser.post("/taskadmin/launches/").status_code == 405
    assert superuser.get("/taskadmin/launches/").status_code == 200
    assert {name: lock for name, (_, lock) in found.items()} == dict.fromkeys(found, "3s")
    assert found["reading"][0] == "2s"
    for name in ("first", "another", "long", "ledger"):
        assert "s" in found[name][0] and found[name][0] <= "8s", name


@pytest.fixture
def db(app: Flask) -> SQLAlchemy:
    """The host's database."""
    db: SQLAlchemy = app.extensions["sqlalchemy"]
    return db


def test_turns_are_counted() -> None:
    """Polls are part of all requests; an ended request frees its place."""
    turns = Turns(3, polls=2)

    assert [turns.take(poll=poll) for poll in (True, True, True, False, False)] == [
        *(True, True, False),
        *(True, False),
    ]
    turns.give_back(poll=True)
    assert turns.take(poll=False)
    assert not turns.take(poll=True)


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_PAGES_AT_ONCE=2)
def test_pages_leave_a_thread_to_others(
    app: Flask, superuser: FlaskClient, waiting_view: WaitingView
) -> None:
    """Excess requests are refused at once; health checks and the host's pages respond."""

    @app.get("/own")
    def own() -> str:
        return "own"

    with waiting_view.held_by(2):
        refused = superuser.get("/taskadmin/tasks/")
        others = []
        for path in ("taskadmin/healthz", "own", "taskadmin/static/taskadmin.css"):
            with app.test_client().get(f"/{path}") as answer:
                others.append(answer.status_code)

    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "3"
    assert "<h1>This site is busy</h1>" in refused.text
    assert others == [200, 200, 200]
    assert waiting_view.answers == [200, 200]
    assert superuser.get("/taskadmin/tasks/").status_code == 200


@pytest.mark.databases("sqlite")
def test_polls_leave_threads_to_people(superuser: FlaskClient, waiting_view: WaitingView) -> None:
    """An excess poll gets an empty response with a longer interval; a page is rendered."""
    with waiting_view.held_by(POLLS_AT_ONCE, **POLL):
        refused = superuser.get("/taskadmin/tasks/", headers=POLL)
        page = superuser.get("/taskadmin/tasks/")

    assert (refused.status_code, refused.text) == (503, "")
    assert refused.headers["Retry-After"] == "10"
    assert page.status_code == 200
    assert superuser.get("/taskadmin/tasks/", headers=POLL).status_code == 200


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_PAGES_AT_ONCE=1)
def test_an_export_has_its_turn_until_it_is_sent(
    superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Or until the client disconnects."""
    export = superuser.get("/taskadmin/runs/export/csv/", buffered=False)
    assert superuser.get("/taskadmin/tasks/").status_code == 503
    export.close()
    assert superuser.get("/taskadmin/tasks/").status_code == 200


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_PAGES_AT_ONCE=1)
def test_a_page_that_fails_gives_its_turn_back(
    superuser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the exception is re-raised."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError("nobody expected this")

    with monkeypatch.context() as patch:
        patch.setattr("taskadmin.admin.launches.views.page_of_launches", fail)
        for _ in range(3):
            with pytest.raises(LookupError):
                superuser.get("/taskadmin/launches/")

    assert superuser.get("/taskadmin/launches/").status_code == 200
