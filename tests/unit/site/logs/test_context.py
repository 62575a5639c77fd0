"""Context of log lines: request, user and Celery task."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from celery import Celery
from flask import Flask, g
from flask_login import AnonymousUserMixin
from sqlalchemy.orm import make_transient_to_detached

from services.logs import Log
from taskadmin.models import User
from taskadmin_site.logs.context import ContextFilter
from taskadmin_site.logs.formats import make_json_formatter


def test_user_is_logged_once_loaded(site: Flask, json_log: Log) -> None:
    """The username is logged if Flask-Login has loaded the user, and isn't loaded for the log."""
    with site.test_request_context():
        json_log.logger.info("before")
        g._login_user = SimpleNamespace(username="ada")
        json_log.logger.info("after")

    before, after = json_log.objects
    assert "user" not in before
    assert after["user"] == "ada"


def test_user_is_not_fetched_for_a_log_line(site: Flask, json_log: Log) -> None:
    """After a commit, the id is logged, because SQLAlchemy would query the name."""
    user = _user_of_whom_only_the_id_is_known(12)

    with site.test_request_context():
        g._login_user = user
        json_log.logger.info("here")

    assert json_log.objects[0]["user"] == "#12"


def _user_of_whom_only_the_id_is_known(number: int) -> User:
    """Return a persistent user without loaded attributes."""
    user = User(id=number)
    make_transient_to_detached(user)
    return user


def test_anonymous_has_no_user(site: Flask, json_log: Log) -> None:
    """Flask-Login's anonymous user has no name to log."""
    with site.test_request_context():
        g._login_user = AnonymousUserMixin()
        json_log.logger.info("here")

    assert "user" not in json_log.objects[0]


def test_celery_task_is_logged(json_log: Log) -> None:
    """Lines of a Celery task have its name and id."""
    celery = Celery("x", broker="memory://", set_as_current=False)

    @celery.task(name="x.work")  # type: ignore[untyped-decorator]  # Celery has no types
    def work() -> None:
        json_log.logger.info("here")

    work.apply(task_id="1234-abcd")

    assert json_log.objects[0]["celery_task"] == "x.work"
    assert json_log.objects[0]["celery_task_id"] == "1234-abcd"


def _access(path: str, status: str) -> logging.LogRecord:
    atoms = {"m": "GET", "U": path, "s": status, "M": 3, "{x-request-id}o": "abc-123-def"}
    return logging.makeLogRecord(
        {"name": "gunicorn.access", "msg": "%(m)s %(U)s %(s)s", "args": atoms}
    )


def test_access_log_has_the_request_id() -> None:
    """gunicorn logs after the request has ended; the id is taken from the response."""
    record = _access("/taskadmin/", "200")

    assert ContextFilter().filter(record)
    assert json.loads(make_json_formatter().format(record))["request_id"] == "abc-123-def"


@pytest.mark.parametrize(("status", "kept"), [("200", False), ("500", True)])
def test_health_checks_are_logged_when_they_fail_only(status: str, kept: bool) -> None:
    """Successful ones would fill the log."""
    for path in ("/healthz", "/readyz"):
        assert ContextFilter().filter(_access(path, status)) is kept
