"""A RabbitMQ server for the test run, with a new virtual host if possible."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from kombu import Connection

VARIABLE = "TASKADMIN_TEST_BROKER_URL"
# Read on import, because fixtures remove the user's TASKADMIN_ variables.
NAMED = os.environ.get(VARIABLE)
#: Usual address of a server.
USUAL = "amqp://guest:guest@127.0.0.1:5672//"
QUEUES = ("taskadmin.launch", "taskadmin.runs", "taskadmin.dead", "celery", "host")


@contextlib.contextmanager
def rabbitmq_server() -> Iterator[str]:
    """Yield the URL of a virtual host on the server named by the environment, or the usual one."""
    url = NAMED or USUAL
    why_not = _why_unreachable(url)
    if why_not is not None:
        message = (
            f"No RabbitMQ at {_without_password(url)} ({why_not}): start it, or set {VARIABLE}."
        )
        if os.environ.get("CI") == "true" or NAMED:
            pytest.fail(message)
        pytest.skip(message)
    parts = urlsplit(url)
    name = f"taskadmin-test-{uuid.uuid4().hex}"
    if parts.hostname not in ("127.0.0.1", "localhost", "::1") or not control("add_vhost", name):
        # Without permission to create one, tests use the given virtual host and empty its queues.
        yield url
        return
    try:
        control("set_permissions", "-p", name, parts.username or "guest", ".*", ".*", ".*")
        yield urlunsplit(parts._replace(path=f"/{quote(name)}"))
    finally:
        control("delete_vhost", name)


def delete_queues(url: str) -> None:
    """Delete the queues that tests use, with their messages."""
    with Connection(url, connect_timeout=5) as connection:
        channel = connection.default_channel
        for name in QUEUES:
            channel.queue_delete(name)


def _why_unreachable(url: str) -> str | None:
    try:
        with Connection(url, connect_timeout=5) as connection:
            connection.connect()
    except Exception as error:  # noqa: BLE001 - any error means that it can't be used
        return f"{type(error).__name__}: {error}"
    return None


def _without_password(url: str) -> str:
    return str(Connection(url).as_uri())


def control(*arguments: str, stdin: str | None = None) -> bool:
    """Run rabbitmqctl; return False if it is missing or not permitted."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        return False
    done = subprocess.run(
        [program, "-q", *arguments], input=stdin, capture_output=True, text=True, timeout=60
    )
    return done.returncode == 0
