"""Error pages in the reader's language, whatever failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import pass_context
from sqlalchemy.orm import Session
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    HTTPException,
    ServiceUnavailable,
    TooManyRequests,
)

from fixture_types import MakeTask, SignIn
from taskadmin.models import User
from taskadmin.store.people import users

pytestmark = [
    pytest.mark.databases("sqlite"),
    pytest.mark.settings(PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=True),
]
#: Pages that draw something without runs.
DRAWN = ("tasks/", "runs/", "workers/", "review/", "users/", "audit/", "tasks/new/")


def raising(error: Exception) -> Callable[..., Any]:
    """Return a function that raises an exception."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.fixture
def reader(session: Session, sign_in: SignIn, chief: User) -> FlaskClient:
    """A superuser who reads Ukrainian, with a German browser."""
    users.set_preferences(session, chief, language="uk", zone="Europe/Kyiv")
    client = sign_in(chief)
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    return client


def is_in_ukrainian(page: str) -> bool:
    """Return whether it is taskadmin's error page in Ukrainian, without English sentences."""
    heading, text = re.findall(r"<h1>(.*?)</h1>\s*<p>(.*?)</p>", page)[0]
    return (
        '<html lang="uk"' in page
        and "taskadmin.css" in page
        and not re.search(r"[A-Za-z]", heading)
        and not re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", text)
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "logout", 400),
        ("GET", "tasks/details/?id=999", 404),
        ("GET", "nowhere", 404),
        ("GET", "static/nothing.css", 404),
        ("GET", "logout", 405),
        ("DELETE", "tasks/", 405),
        ("POST", "runs/details/", 405),
    ],
)
def test_wrong_requests_are_answered_in_the_readers_language(
    reader: FlaskClient, method: str, path: str, status: int
) -> None:
    """Also for addresses that don't exist, and for methods that they don't accept."""
    answer = reader.open(f"/taskadmin/{path}", method=method)

    assert answer.status_code == status
    assert is_in_ukrainian(answer.text)


@pytest.mark.settings(MAX_CONTENT_LENGTH=1000)
def test_a_large_form_is_refused_in_the_readers_language(reader: FlaskClient) -> None:
    """Before anything reads it."""
    answer = reader.post("/taskadmin/preferences", data={"zone": "x" * 2000})

    assert answer.status_code == 413
    assert is_in_ukrainian(answer.text)


@pytest.mark.parametrize(
    "error", [BadRequest, Forbidden, Conflict, TooManyRequests, ServiceUnavailable]
)
def test_refusals_are_in_the_readers_language(
    app: Flask, reader: FlaskClient, error: type[HTTPException]
) -> None:
    """Errors that a view, or a function of the host before it, raises."""
    app.view_functions["taskadmin_runs.index_view"] = raising(error())

    answer = reader.get("/taskadmin/runs/")

    assert answer.status_code == error.code
    assert is_in_ukrainian(answer.text)


@pytest.mark.parametrize("error", [ValueError("secret"), TypeError("secret"), KeyError("secret")])
@pytest.mark.parametrize("path", DRAWN)
def test_a_page_whose_drawing_fails_is_an_error_page(
    app: Flask, reader: FlaskClient, make_task: MakeTask, error: Exception, path: str
) -> None:
    """Nothing of the unfinished page is sent, and other pages still work."""
    make_task()
    for name in ("taskadmin_ago", "taskadmin_number", "taskadmin_word", "taskadmin_wall"):
        # Compiled templates, which tests share, pass the context.
        app.jinja_env.filters[name] = pass_context(raising(error))
    app.jinja_env.globals["ta_n"] = raising(error)

    answer = reader.get(f"/taskadmin/{path}")

    assert answer.status_code == 500
    assert is_in_ukrainian(answer.text)
    assert answer.text.count("<h1") == 1
    assert "secret" not in answer.text
    assert reader.get("/taskadmin/nowhere").status_code == 404
