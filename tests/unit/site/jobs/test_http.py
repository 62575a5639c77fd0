"""The job that measures the latency of a page."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import pytest
import requests
import urllib3
from flask import Flask, current_app
from requests_hardened.ip_filter import InvalidIPAddress

from taskadmin.jobs import fields, get_job
from taskadmin_site.jobs import http, http_latency


class Pages(BaseHTTPRequestHandler):
    """Pages of every kind."""

    def do_GET(self) -> None:
        """Respond until the client disconnects."""
        with contextlib.suppress(ConnectionError):
            self.answer()

    def answer(self) -> None:
        """Respond depending on the path."""
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
        """Log nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Latency(Protocol):
    """Call the job as a worker does."""

    def __call__(self, url: str, timeout: float = 5.0) -> float:
        """Return the seconds."""
        ...


@pytest.fixture
def latency() -> Iterator[Latency]:
    """The job on a site that allows this machine's addresses; a test may forbid them."""

    def measure(url: str, timeout: float = 5.0) -> float:
        return http_latency(**get_job("http_latency").check({"url": url, "timeout": timeout}))

    site = Flask("site")
    site.config["HTTP_LATENCY_PRIVATE_ADDRESSES"] = True
    with site.app_context():
        yield measure


def test_latency_is_in_seconds(address: str, latency: Latency) -> None:
    """Redirects are followed."""
    assert latency(f"{address}/") > 0
    assert latency(f"{address}/moved") >= 0.3


def test_unsuccessful_responses_fail_the_run(address: str, latency: Latency) -> None:
    """An error status, too many redirects and a refused connection fail the run."""
    with pytest.raises(requests.HTTPError, match="503"):
        latency(f"{address}/broken")
    with pytest.raises(requests.TooManyRedirects):
        latency(f"{address}/loop")
    with pytest.raises(requests.ConnectionError):
        latency("http://127.0.0.1:1/")


def test_an_answer_that_takes_too_long_fails(address: str, latency: Latency) -> None:
    """Also if the server keeps sending small parts."""
    with pytest.raises((requests.Timeout, TimeoutError, urllib3.exceptions.ReadTimeoutError)):
        latency(f"{address}/slow", timeout=0.1)
    with pytest.raises(http.TooSlow):
        latency(f"{address}/drops", timeout=0.5)


def test_an_endless_answer_is_left(address: str, latency: Latency) -> None:
    """Reading stops after some megabytes."""
    assert latency(f"{address}/endless", timeout=30) < 30


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::1]"),  # noqa: S104
        *("[::ffff:127.0.0.1]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("[fe80::1]", "[fd00::1]", "100.64.0.1", "224.0.0.1", "[64:ff9b::7f00:1]"),
    ],
)
def test_private_addresses_are_not_asked(address: str, latency: Latency, host: str) -> None:
    """In any notation, unless the configuration allows them."""
    current_app.config.clear()

    with pytest.raises((InvalidIPAddress, requests.ConnectionError)) as raised:
        latency(f"http://{host}:{address.rpartition(':')[2]}/")

    assert isinstance(raised.value, InvalidIPAddress)


def test_a_redirect_does_not_lead_to_a_private_address(
    address: str, latency: Latency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address of a chain of redirects is checked."""
    current_app.config.clear()
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int, *, allow_loopback: bool) -> str:
        asked.append((host, port))
        if len(asked) == 1:  # a public host name
            return "127.0.0.1"
        raise InvalidIPAddress(host)

    monkeypatch.setattr("requests_hardened.ip_filter_adapter.filter_host", resolve)
    port = int(address.rpartition(":")[2])

    with pytest.raises(InvalidIPAddress):
        latency(f"http://example.org:{port}/moved")

    assert asked == [("example.org", port)] * 2


@pytest.mark.parametrize(
    "url",
    ["https://ada:secret@example.org/", "https://ada@example.org/", "https://:x@example.org/"],
)
def test_a_name_or_a_password_in_an_address_is_refused(url: str) -> None:
    """It would be stored and shown on every page of the task."""
    [problem] = get_job("http_latency").problems({"url": url})

    assert "leave it out" in problem.message
    assert "secret" not in problem.message


@pytest.mark.parametrize("arguments", [{"url": "file:///etc/passwd"}, {"url": "x"}, {}])
def test_addresses_of_another_kind_are_refused(arguments: dict[str, str]) -> None:
    """The form refuses them."""
    assert get_job("http_latency").problems(arguments)


def test_the_forms_fields() -> None:
    """The form has a field of the right type for each argument, with its description."""
    of_job = {
        name: [(one.name, one.kind) for one in fields.fields_of(get_job(name))]
        for name in ("http_latency", "table_rows", "queue_depth")
    }
    assert of_job == {
        "http_latency": [("url", "url"), ("timeout", "number")],
        "table_rows": [("table", "text")],
        "queue_depth": [("queue", "text")],
    }
