"""What the site's log lines look like, and what they never hold."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from flask import Flask, g
from flask_login import AnonymousUserMixin
from sqlalchemy.orm import make_transient_to_detached

from services.processes import wait_for
from taskadmin import ConfigurationError
from taskadmin.models import User
from taskadmin_site import log_setup, request_id
from taskadmin_site.log_context import ContextFilter
from taskadmin_site.log_formats import TextFormatter, make_json_formatter


class Log:
    """A logger of its own and what it has written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._written = io.StringIO()
        handler = logging.StreamHandler(self._written)
        handler.setFormatter(formatter)
        handler.addFilter(ContextFilter())
        self.logger = logging.Logger("taskadmin.worker")
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._written.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def json_log() -> Log:
    """A log for machines."""
    return Log(make_json_formatter())


@pytest.fixture
def text_log() -> Log:
    """A log for people."""
    return Log(TextFormatter())


@pytest.fixture
def site() -> Flask:
    """An application with request ids."""
    app = Flask("site")
    request_id.init_app(app)
    return app


def test_json_has_the_ids_the_library_gives(json_log: Log) -> None:
    """launch_id, task_id and run_id are fields of their own."""
    json_log.logger.info("Run %d done", 3, extra={"launch_id": 1, "task_id": 2, "run_id": 3})

    (line,) = json_log.objects
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "taskadmin.worker",
        "process": os.getpid(),
        "message": "Run 3 done",
        "launch_id": 1,
        "task_id": 2,
        "run_id": 3,
    }


def test_json_exception_stays_in_one_line(json_log: Log) -> None:
    """A traceback is a field, not lines of its own."""
    try:
        raise ValueError("no\nway")
    except ValueError:
        json_log.logger.exception("Failed")

    (line,) = json_log.objects
    assert "ValueError: no\nway" in line["exc_info"]


def test_text_has_the_context_behind_the_message(text_log: Log) -> None:
    """A line for people ends with what it is about."""
    text_log.logger.info("Run %d done", 3, extra={"run_id": 3, "launch_id": 1})

    assert text_log.text.endswith("Z INFO    taskadmin.worker: Run 3 done [launch_id=1 run_id=3]\n")


def test_text_line_cannot_be_broken_from_outside(text_log: Log) -> None:
    """An end of line or an escape sequence in a value stays visible."""
    text_log.logger.info("GET %s", "/a\n12:00:00Z INFO forged\x1b[2J\u2028")

    assert text_log.text.count("\n") == 1
    assert r"/a\n12:00:00Z INFO forged\x1b[2J\u2028" in text_log.text


@pytest.mark.parametrize("sent", ["abc-123.DEF_456", "0" * 128])
def test_request_id_of_a_proxy_is_kept(site: Flask, json_log: Log, sent: str) -> None:
    """A well-formed X-Request-ID is logged and sent back."""

    def view() -> str:
        json_log.logger.info("here")
        return "ok"

    site.add_url_rule("/", view_func=view)

    answer = site.test_client().get("/", headers={"X-Request-ID": sent})

    assert answer.headers["X-Request-ID"] == sent
    assert json_log.objects[0]["request_id"] == sent


@pytest.mark.parametrize(
    "sent", ["", "short", "0" * 129, "with space in it", "x" * 20 + '"}', "ä" * 9]
)
def test_other_request_ids_are_replaced(site: Flask, sent: str) -> None:
    """Nobody writes into the log through a header."""
    site.add_url_rule("/", view_func=lambda: "ok")

    answer = site.test_client().get("/", headers={"X-Request-ID": sent})

    assert answer.headers["X-Request-ID"] != sent
    assert len(answer.headers["X-Request-ID"]) == 36


def test_user_is_logged_once_loaded(site: Flask, json_log: Log) -> None:
    """The name comes from what Flask-Login has loaded, and nothing is loaded for it."""
    with site.test_request_context():
        json_log.logger.info("before")
        g._login_user = SimpleNamespace(username="ada")
        json_log.logger.info("after")

    before, after = json_log.objects
    assert "user" not in before
    assert after["user"] == "ada"


def test_user_is_not_fetched_for_a_log_line(site: Flask, json_log: Log) -> None:
    """After a commit SQLAlchemy would ask the database for the name: the id has to do."""
    user = _user_of_whom_only_the_id_is_known(12)

    with site.test_request_context():
        g._login_user = user
        json_log.logger.info("here")

    assert json_log.objects[0]["user"] == "#12"


def _user_of_whom_only_the_id_is_known(number: int) -> User:
    """A user whose row is known and none of whose values is loaded."""
    user = User(id=number)
    make_transient_to_detached(user)
    return user


def test_anonymous_has_no_user(site: Flask, json_log: Log) -> None:
    """Flask-Login's stand-in for nobody has no name."""
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
    """gunicorn logs after the request is over; its id is taken from the answer."""
    record = _access("/taskadmin/", "200")

    assert ContextFilter().filter(record)
    assert json.loads(make_json_formatter().format(record))["request_id"] == "abc-123-def"


@pytest.mark.parametrize(("status", "kept"), [("200", False), ("500", True)])
def test_health_checks_are_logged_when_they_fail_only(status: str, kept: bool) -> None:
    """A line every ten seconds for nothing would hide the others."""
    for path in ("/healthz", "/readyz"):
        assert ContextFilter().filter(_access(path, status)) is kept


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, True, "text"),
        ({}, False, "json"),
        ({"LOG_FORMAT": "json"}, True, "json"),
        ({"LOG_FORMAT": "text"}, False, "text"),
    ],
)
def test_format_follows_the_terminal(
    environ: dict[str, str], is_terminal: bool, expected: str
) -> None:
    """People get lines, everything else gets JSON; LOG_FORMAT decides otherwise."""
    settings = log_setup.settings(environ, is_terminal=is_terminal)

    assert settings["handlers"]["stderr"]["formatter"] == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LOG_FORMAT", "xml", "text or json"),
        ("LOG_LEVEL", "loud", "DEBUG or INFO or WARNING or ERROR"),
    ],
)
def test_unknown_log_settings_are_refused(name: str, value: str, expected: str) -> None:
    """The message says what there is."""
    with pytest.raises(ConfigurationError) as raised:
        log_setup.settings({name: value}, is_terminal=True)

    assert str(raised.value) == f"{name} is {value!r}; expected {expected}."


@pytest.mark.usefixtures("_restored_logging")
def test_celery_leaves_logging_as_the_site_set_it() -> None:
    """Celery's worker would add a handler and a format of its own."""
    log_setup.configure()
    before = logging.getLogger().handlers[:]

    Celery("x", set_as_current=False).log.setup(loglevel="DEBUG", redirect_stdouts=False)

    assert logging.getLogger().handlers == before
    assert [type(handler) for handler in before] == [logging.StreamHandler]


#: Commands of the stack, each of which fails at something that a secret belongs to.
COMMANDS = {
    "database": ["flask", "taskadmin", "db", "current"],
    "broker": ["flask", "taskadmin", "ping", "--timeout", "1"],
    "worker": ["celery", "-A", "taskadmin_site.celery_app", "worker", "-P", "solo", "-l", "DEBUG"],
    "report": ["celery", "-A", "taskadmin_site.celery_app", "report"],
}


@pytest.fixture(params=COMMANDS)
def output(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path) -> str:
    """What a command writes while neither database nor broker is there."""
    nowhere = {"POSTGRES_HOST": "127.0.0.1:1", "RABBITMQ_HOST": "127.0.0.1:1"}
    written = tmp_path / "output"
    with written.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[request.param]],
            env={
                **os.environ,
                **environment,
                **nowhere,
                "FLASK_APP": "taskadmin_site",
                "LOG_LEVEL": "DEBUG",
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: process.poll() is not None or written.stat().st_size, what="a line")
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:  # the worker goes on trying
        process.kill()
        process.wait()
    return written.read_text()


def test_no_secret_is_ever_written(output: str, environment: dict[str, str]) -> None:
    """Neither a password nor the key appears, as it is or quoted, whatever fails."""
    assert output
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"):
        assert environment[name] not in output
        assert quote(environment[name], safe="") not in output
