"""The site's own jobs, against what they look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import urllib3
from flask import Flask
from kombu import Connection, Queue

from fixture_types import MakeApp
from taskadmin.jobs import fields, get_job
from taskadmin.queue import RUNS_QUEUE
from taskadmin_site.jobs import http, http_latency, queue_depth, queues, table_rows, tables


class Pages(BaseHTTPRequestHandler):
    """Pages of every kind."""

    def do_GET(self) -> None:
        """Answer by the path."""
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/slow")
            self.end_headers()
            return
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        self.send_response(503 if self.path == "/broken" else 200)
        self.end_headers()
        if self.path == "/slow":
            time.sleep(0.3)
        if self.path == "/drops":
            for _ in range(50):
                self.wfile.write(b"x")
                time.sleep(0.1)
        if self.path == "/endless":
            while True:
                self.wfile.write(bytes(65_536))
        self.wfile.write(b"Hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def latency(url: str, timeout: float = 5.0) -> float:
    """As a worker calls it."""
    return http_latency(**get_job("http_latency").check({"url": url, "timeout": timeout}))


def test_latency_is_in_seconds(address: str) -> None:
    """Redirects are followed."""
    assert latency(f"{address}/") > 0
    assert latency(f"{address}/moved") >= 0.3


def test_what_is_no_success_fails(address: str) -> None:
    """With the status, a limit of redirects, and nobody who listens."""
    with pytest.raises(requests.HTTPError, match="503"):
        latency(f"{address}/broken")
    with pytest.raises(requests.TooManyRedirects):
        latency(f"{address}/loop")
    with pytest.raises(requests.ConnectionError):
        latency("http://127.0.0.1:1/")


def test_an_answer_that_takes_too_long_fails(address: str) -> None:
    """Also one that never stops for long."""
    with pytest.raises((requests.Timeout, TimeoutError, urllib3.exceptions.ReadTimeoutError)):
        latency(f"{address}/slow", timeout=0.1)
    with pytest.raises(http.TooSlow):
        latency(f"{address}/drops", timeout=0.5)


def test_an_endless_answer_is_left(address: str) -> None:
    """After some megabytes."""
    assert latency(f"{address}/endless", timeout=30) < 30


@pytest.mark.parametrize("arguments", [{"url": "file:///etc/passwd"}, {"url": "x"}, {}])
def test_addresses_of_another_kind_are_refused(arguments: dict[str, str]) -> None:
    """At the form already."""
    assert get_job("http_latency").problems(arguments)


def test_the_forms_fields() -> None:
    """By their types, with help."""
    of_job = {
        name: [(one.name, one.kind) for one in fields.fields_of(get_job(name))]
        for name in ("http_latency", "table_rows", "queue_depth")
    }
    assert of_job == {
        "http_latency": [("url", "url"), ("timeout", "number")],
        "table_rows": [("table", "text")],
        "queue_depth": [("queue", "text")],
    }


def test_rows_of_a_table(app: Flask, make_user: Callable[..., object]) -> None:
    """Counted now."""
    with app.app_context():
        assert table_rows("taskadmin_user") == 0
    make_user("ana")
    with app.app_context():
        assert table_rows("taskadmin_user") == 1


@pytest.mark.parametrize("name", ["taskadmin_users", 'x"; DROP TABLE taskadmin_user; --'])
def test_a_table_that_is_not_there(app: Flask, name: str) -> None:
    """Nothing of the name reaches the database."""
    with app.app_context(), pytest.raises(tables.NoSuchTable, match="There is no table"):
        table_rows(name)


def test_depth_of_a_queue(make_app: MakeApp, broker_url: str, database: str) -> None:
    """What waits in it; a name that the broker doesn't know makes no queue."""
    app = make_app(CELERY={"broker_url": broker_url, "result_backend": "rpc://"})
    with Connection(broker_url) as connection, app.app_context():
        channel = connection.default_channel
        with pytest.raises(queues.NoSuchQueue, match=r"taskadmin\.nowhere"):
            queue_depth("taskadmin.nowhere")
        queue = Queue(RUNS_QUEUE, channel=channel, durable=True)
        queue.declare()
        assert queue_depth(RUNS_QUEUE) == 0
        for _ in range(3):
            connection.Producer().publish({}, routing_key=RUNS_QUEUE)
        deadline = time.monotonic() + 5
        while queue_depth(RUNS_QUEUE) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert queue_depth(RUNS_QUEUE) == 3
        queue.delete()


def test_depth_of_a_queue_in_memory(app: Flask) -> None:
    """As in the demo."""
    with app.app_context(), pytest.raises(queues.NoSuchQueue):
        queue_depth("taskadmin.nowhere")
