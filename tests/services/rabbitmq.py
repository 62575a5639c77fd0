"""A RabbitMQ server for the test run, with a virtual host of our own where we may make one."""

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
# Read here, because each test runs without the TASKADMIN_ variables of whoever started it.
NAMED = os.environ.get(VARIABLE)
#: Where a server usually is.
USUAL = "amqp://guest:guest@127.0.0.1:5672//"
QUEUES = ("taskadmin.launch", "taskadmin.runs", "taskadmin.dead", "celery")


@contextlib.contextmanager
def rabbitmq_server() -> Iterator[str]:
    """URL of a virtual host of the server named by the environment, or of the usual local one."""
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
    if parts.hostname not in ("127.0.0.1", "localhost", "::1") or not _control("add_vhost", name):
        # No rights to make one: the tests share the given virtual host and empty its queues.
        yield url
        return
    try:
        _control("set_permissions", "-p", name, parts.username or "guest", ".*", ".*", ".*")
        yield urlunsplit(parts._replace(path=f"/{quote(name)}"))
    finally:
        _control("delete_vhost", name)


def delete_queues(url: str) -> None:
    """Delete taskadmin's queues with what is in them."""
    with Connection(url, connect_timeout=5) as connection:
        channel = connection.default_channel
        for name in QUEUES:
            channel.queue_delete(name)


def _why_unreachable(url: str) -> str | None:
    try:
        with Connection(url, connect_timeout=5) as connection:
            connection.connect()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server can't be used
        return f"{type(error).__name__}: {error}"
    return None


def _without_password(url: str) -> str:
    return str(Connection(url).as_uri())


def _control(*arguments: str) -> bool:
    """Run rabbitmqctl; False if it isn't there or may not."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        return False
    done = subprocess.run([program, "-q", *arguments], capture_output=True, timeout=60)
    return done.returncode == 0
