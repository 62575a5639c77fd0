"""Errors of the API are problem details, never pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.api.caller import Caller, problem_of
from taskadmin import service
from taskadmin.errors import TaskAdminError, TooManyAttempts, TooManyTasks
from taskadmin.service import Bearer
from taskadmin.state import get_state


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "", 404),
        ("GET", "/tasks/", 404),
        ("GET", "//tasks", 404),
        ("PUT", "/tasks", 405),
        ("OPTIONS", "/tasks", 405),
        ("TRACE", "/tasks", 405),
    ],
)
def test_wrong_addresses_are_problems(
    app: Flask, boss: Caller, method: str, path: str, status: int
) -> None:
    """Also for visitors without a token, and if the host has pages for them."""
    app.register_error_handler(404, lambda error: ("the host's page", 404))
    for caller in (boss, Caller(app.test_client(), None)):
        response = caller(method, path)
        assert problem_of(response)[0] == status
        assert ("Allow" in response.headers) is (status == 405)
        assert " this " in response.text  # a sentence, not only the status in words


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"job": NaN}', "application/json", 422),
        (b"\xff", "application/json", 400),
        (b'{"job": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"job": 1' + b"0" * 10_000 + b"}", "application/json", 400),
        (b"job=x", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
        (b"", "application/json", 400),
        (b"null", "application/json", 422),
    ],
)
def test_bodies_that_cant_be_read_are_refused(
    boss: Caller, body: bytes, content_type: str, status: int
) -> None:
    """Whatever they are."""
    response = boss("POST", "/tasks", data=body, content_type=content_type)
    assert problem_of(response)[0] == status


@pytest.mark.databases("sqlite")
def test_why_a_body_cant_be_read_is_said(boss: Caller) -> None:
    """JSON that is valid, but too deep for pydantic, too."""
    body = b'{"arguments":' + b"[" * 300 + b"]" * 300 + b"}"
    response = boss("POST", "/tasks", data=body, content_type="application/json")
    assert "recursion limit" in response.text


@pytest.mark.databases("sqlite")
@pytest.mark.settings(MAX_CONTENT_LENGTH=1_000)
def test_a_large_body_is_refused(boss: Caller) -> None:
    """By the host's limit."""
    assert problem_of(boss("POST", "/tasks", {"job": "x" * 2_000}))[0] == 413


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("error", "status"),
    [(TooManyTasks("Too many."), 422), (TooManyAttempts(retry_after=timedelta(seconds=9)), 429)],
)
def test_errors_of_taskadmin_are_problems(
    app: Flask,
    boss: Caller,
    monkeypatch: pytest.MonkeyPatch,
    error: TaskAdminError,
    status: int,
) -> None:
    """With the time to wait, if there is one."""

    def fail(_: object) -> Bearer:
        raise error

    monkeypatch.setattr(get_state(app), "api_caller", fail)
    response = boss("GET", "/me")
    assert problem_of(response)[0] == status
    assert response.headers.get("Retry-After") == ("9" if status == 429 else None)


@pytest.mark.databases("sqlite")
@pytest.mark.settings(TESTING=False, PROPAGATE_EXCEPTIONS=False)
def test_an_error_in_the_program_has_a_number(
    boss: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Which the log has, too; nothing else of it is sent."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("swordfish")

    monkeypatch.setattr(service, "note_export", fail)
    response = boss("GET", "/tasks/export")
    assert problem_of(response)[0] == 500
    answer: Any = response.json
    assert answer["detail"].removesuffix(".").rpartition(" ")[2] in caplog.text
    assert "swordfish" not in response.text


def test_a_missing_table_is_a_problem(session: Session, boss: Caller) -> None:
    """With 503, as on pages; the detail says the same as the page, with its title and command."""
    session.execute(text("ALTER TABLE taskadmin_audit RENAME TO elsewhere"))
    session.commit()
    response = boss("GET", "/audit")
    assert problem_of(response)[0] == 503
    answer: Any = response.json
    assert answer["detail"].startswith("The database is incomplete. ")
    assert answer["detail"].endswith(": flask taskadmin db check")
