"""The format of the site's log lines, and secrets that they must not contain."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import Celery

from services.servers.processes import wait_for
from taskadmin import ConfigurationError
from taskadmin_site.logs import setup as log_setup


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
    """The log is text on a terminal and JSON elsewhere; LOG_FORMAT overrides it."""
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
    """The error lists the valid values."""
    with pytest.raises(ConfigurationError) as raised:
        log_setup.settings({name: value}, is_terminal=True)

    assert str(raised.value) == f"{name} is {value!r}; expected {expected}."


@pytest.mark.usefixtures("_restored_logging")
def test_celery_leaves_logging_as_the_site_set_it() -> None:
    """Celery's worker adds no handler or format of its own."""
    log_setup.configure()
    before = logging.getLogger().handlers[:]

    Celery("x", set_as_current=False).log.setup(loglevel="DEBUG", redirect_stdouts=False)

    assert logging.getLogger().handlers == before
    assert [type(handler) for handler in before] == [logging.StreamHandler]


#: Commands of the stack, each of which fails to use a secret.
COMMANDS = {
    "database": ["flask", "taskadmin", "db", "current"],
    "broker": ["flask", "taskadmin", "ping", "--timeout", "1"],
    "worker": ["celery", "-A", "taskadmin_site.celery_app", "worker", "-P", "solo", "-l", "DEBUG"],
    "report": ["celery", "-A", "taskadmin_site.celery_app", "report"],
}


@pytest.fixture(params=COMMANDS)
def output(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path) -> str:
    """Output of a command that can't reach the database or the broker."""
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
    except subprocess.TimeoutExpired:  # the worker keeps trying
        process.kill()
        process.wait()
    return written.read_text()


def test_no_secret_is_ever_written(output: str, environment: dict[str, str]) -> None:
    """Error messages contain neither passwords nor the key, plain or quoted."""
    assert output
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"):
        assert environment[name] not in output
        assert quote(environment[name], safe="") not in output
