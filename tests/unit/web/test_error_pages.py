"""All errors of pages are shown in taskadmin's layout."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, abort, got_request_exception
from flask.testing import FlaskClient
from flask_admin import Admin
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from fixture_types import CountQueries, SignIn
from services.servers.databases import dispose_engines
from taskadmin import Identity, TaskAdmin
from taskadmin.models import User
from taskadmin.store.people import users

pytestmark = [
    pytest.mark.databases("sqlite"),
    # As in production; tests and debuggers get the exception.
    pytest.mark.settings(PROPAGATE_EXCEPTIONS=False),
]

LOST = OperationalError(None, None, OSError("Connection refused"))


def raising(error: Exception) -> Callable[..., Any]:
    """Return a function that raises an exception."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def is_ours(answer: TestResponse) -> bool:
    """Return whether it is taskadmin's error page, with the id of the log line."""
    return (
        answer.status_code == 500
        and "<h1>Something went wrong</h1>" in answer.text
        and "taskadmin.css" in answer.text
        and re.search(r"\b[0-9a-f]{8}</dd>", answer.text) is not None
    )


@pytest.fixture
def broken(app: Flask) -> Iterator[list[Exception]]:
    """The database's error for all statements; empty if it works."""
    problem: list[Exception] = []
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine

    def refuse(*_: object) -> None:
        if problem:
            raise problem[0]

    event.listen(engine, "before_cursor_execute", refuse)
    yield problem
    event.remove(engine, "before_cursor_execute", refuse)


def test_every_url_has_a_page_for_unexpected_errors(app: Flask, superuser: FlaskClient) -> None:
    """Admin views, accounts, exports, charts and polls."""
    adapter = app.url_map.bind("localhost")
    asked = [
        (rule.endpoint, adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "csv")), method)
        for rule in app.url_map.iter_rules()
        for method in {"GET", "POST"} & (rule.methods or set())
        if rule.endpoint.startswith("taskadmin") and "health" not in rule.endpoint
    ]
    assert len(asked) > 50

    for endpoint, path, method in asked:
        app.view_functions[endpoint] = raising(ValueError("nobody expected this"))
        answer = superuser.open(path, method=method)
        assert is_ours(answer), (endpoint, answer.status, answer.text[:300])
        assert "nobody expected" not in answer.text


@pytest.mark.parametrize("error", [DataError("SELECT 1", {}, ValueError("wrong")), KeyError("x")])
@pytest.mark.parametrize("path", ["", "tasks/", "users/", "login", "profile", "preferences"])
def test_the_error_page_does_not_use_the_database(
    superuser: FlaskClient,
    broken: list[Exception],
    count_queries: CountQueries,
    error: Exception,
    path: str,
) -> None:
    """Even if looking up the current user failed."""
    broken.append(error)

    with count_queries() as statements:
        answer = superuser.get(f"/taskadmin/{path}")

    assert is_ours(answer)
    assert len(statements) == 1
    assert ">Log in</a>" not in answer.text


@pytest.mark.parametrize("database_away", [False, True])
def test_the_page_speaks_the_readers_language(
    app: Flask,
    session: Session,
    sign_in: SignIn,
    chief: User,
    broken: list[Exception],
    database_away: bool,
) -> None:
    """The user's own, or the browser's if the user is unknown."""
    users.set_preferences(session, chief, language="uk", zone="Europe/Kyiv")
    client = sign_in(chief)
    if database_away:
        broken.append(KeyError("x"))
    app.view_functions["taskadmin_tasks.index_view"] = raising(ValueError())

    answer = client.get("/taskadmin/tasks/", headers={"Accept-Language": "de"})

    title = "Etwas ist schiefgegangen" if database_away else "Сталася помилка"
    assert answer.status_code == 500
    assert f"<h1>{title}</h1>" in answer.text


def test_the_error_page_calls_nothing_of_the_host(database_url: URL) -> None:
    """Neither its language nor its context processors nor its users."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    failing = raising(LookupError("the host's users are away"))
    Babel(app, locale_selector=failing)
    app.context_processor(failing)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), identity=failing, admin=Admin(app))

    for path, title in (
        *(("tasks/", "Algo ha fallado"), ("preferences", "Algo ha fallado")),
        ("nowhere", "No encontrado"),
    ):
        answer = app.test_client().get(f"/taskadmin/{path}", headers={"Accept-Language": "es"})
        assert f"<h1>{title}</h1>" in answer.text
    dispose_engines(app)


def test_the_log_has_the_number_that_the_page_shows(
    app: Flask, superuser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """With the traceback; Flask's signal is sent, too."""
    error = ValueError("nobody expected this")
    app.view_functions["taskadmin_runs.index_view"] = raising(error)
    heard = []

    def note(_sender: Flask, exception: Exception, **_: Any) -> None:
        heard.append(exception)

    with got_request_exception.connected_to(note, app):
        answer = superuser.get("/taskadmin/runs/?state=failed")

    (number,) = re.findall(r"([0-9a-f]{8})</dd>", answer.text)
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert lines[0] == (logging.ERROR, "Exception on /taskadmin/runs/ [GET]")
    assert caplog.records[0].exc_info is not None and caplog.records[0].exc_info[1] is error
    assert lines[1] == (logging.ERROR, f"Error {number}: ValueError on GET /taskadmin/runs/")
    assert heard == [error]


@pytest.mark.parametrize("when", ["before_request", "after_request"])
def test_errors_around_a_view_have_the_page_too(
    app: Flask, superuser: FlaskClient, when: str
) -> None:
    """Such as a host's function before or after requests."""
    getattr(app, when)(raising(ValueError()))

    assert is_ours(superuser.get("/taskadmin/tasks/"))


def test_an_outage_in_the_middle_of_a_refusal_is_an_outage(
    app: Flask, superuser: FlaskClient, broken: list[Exception]
) -> None:
    """The error page looks up the current user."""
    app.before_request(lambda: abort(404))
    broken.append(LOST)

    answer = superuser.get("/taskadmin/tasks/")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "<h1>The database is unavailable</h1>" in answer.text


@pytest.mark.parametrize(
    ("status", "title"),
    [(403, "Not allowed"), (404, "Not found"), (405, "Not found"), (413, "Request too large")]
    + [(429, "Please wait")]
    + [(status, "Invalid request") for status in (400, 410, 415, 503)],
)
def test_other_refusals_are_in_words(
    app: Flask, superuser: FlaskClient, status: int, title: str
) -> None:
    """Of Flask, Werkzeug and the host's extensions."""
    app.view_functions["taskadmin_tasks.index_view"] = lambda **_: abort(status)

    answer = superuser.get("/taskadmin/tasks/")

    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text


def test_a_response_made_by_the_host_stays(app: Flask, superuser: FlaskClient) -> None:
    """A host's extension may refuse with a response."""
    made = app.make_response(("made elsewhere", 401))
    app.view_functions["taskadmin_tasks.index_view"] = lambda **_: abort(made)

    assert superuser.get("/taskadmin/tasks/").text == "made elsewhere"


@pytest.mark.parametrize("kind", [500, Exception, ValueError, HTTPException])
def test_a_hosts_handler_for_failures_comes_first(
    app: Flask, superuser: FlaskClient, kind: type[Exception] | int
) -> None:
    """It reports errors, or gives them the site's style."""
    app.register_error_handler(kind, lambda error: (f"The host: {type(error).__name__}", 500))
    app.view_functions["taskadmin_tasks.index_view"] = raising(ValueError())

    answer = superuser.get("/taskadmin/tasks/")

    named = "ValueError" if kind in (Exception, ValueError) else "InternalServerError"
    assert answer.text == f"The host: {named}"


def test_the_hosts_own_pages_fail_as_before(app: Flask, client: FlaskClient) -> None:
    """Only errors of taskadmin's pages are handled."""
    app.add_url_rule("/orders", "orders", raising(ValueError()))
    app.add_url_rule("/gone", "gone", lambda: abort(410))

    assert "<h1>Internal Server Error</h1>" in client.get("/orders").text
    assert "<h1>Gone</h1>" in client.get("/gone").text


@pytest.mark.parametrize(
    "config", [{"TESTING": True}, {"TESTING": False, "DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}]
)
def test_tests_and_debuggers_see_the_exception(
    app: Flask, superuser: FlaskClient, config: dict[str, bool]
) -> None:
    """By Flask's settings."""
    app.config.update({"PROPAGATE_EXCEPTIONS": None, **config})
    app.view_functions["taskadmin_tasks.index_view"] = raising(ValueError("seen"))

    with pytest.raises(ValueError, match="seen"):
        superuser.get("/taskadmin/tasks/")


@pytest.mark.settings(TESTING=False)
def test_a_host_admin_has_the_page_too(database_url: URL) -> None:
    """In taskadmin's own layout, with a link that anyone can open."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    TaskAdmin().init_app(
        app,
        db=SQLAlchemy(app),
        admin=Admin(app),
        identity=lambda: Identity("ana", is_superuser=True),
    )
    app.view_functions["taskadmin_runs.index_view"] = raising(ValueError())

    assert is_ours(app.test_client().get("/taskadmin/runs/"))
    dispose_engines(app)
