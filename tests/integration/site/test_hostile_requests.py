"""The site with gunicorn: bodies without a length, and foreign host names."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import URL, func, select
from sqlalchemy.orm import Session

from e2e.running_site import RunningSite, environment
from taskadmin.models import User

pytestmark = pytest.mark.databases("postgresql")

REGISTER = "/taskadmin/register"
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Connection: close\r\n{more}\r\n"
)
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture
def site(tmp_path: Path, database_url: URL, broker_url: str) -> Iterator[RunningSite]:
    """The site's web process."""
    variables = environment(database_url, broker_url, interval_seconds=86_400)
    running = RunningSite(tmp_path, {**variables, "TASKADMIN_PROXIES": "1"})
    running.start_one("web")
    try:
        running.wait_until_it_answers()
        yield running
    finally:
        running.stop()


def answer(site: RunningSite, request: bytes) -> str:
    """Send *request* unchanged, and return the response."""
    parts = urlsplit(site.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        # A server may respond and close the connection before reading the whole body.
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def post(site: RunningSite, path: str, body: bytes, more: str = CHUNKED) -> int:
    """Submit a form, and return the status."""
    return int(answer(site, HEAD.format(path=path, more=more).encode() + body).split()[1])


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def test_a_body_without_a_length_is_read_whole_or_refused(
    site: RunningSite, session: Session
) -> None:
    """413 if it is too large, 400 if it is truncated; neither is processed."""
    fields = {"username": "ana", "password": "a long password", "confirm": "a long password"}
    form = urlencode(fields).encode()
    padding = b"&padding=" + b"x" * 1_000_000

    # The form is refused for its missing token, so it was read to its end.
    assert post(site, REGISTER, chunks(form[:10], form[10:])) == 422
    for path in (REGISTER, "/taskadmin/login", "/taskadmin/tasks/action/", "/taskadmin/profile"):
        assert post(site, path, chunks(form, padding)) == 413, path
        for broken in (
            b"zz\r\nx\r\n0\r\n\r\n",
            b"-1\r\n\r\n",
            b"5\r\nabc",
            b"5\r\nabcdeXX0\r\n\r\n",
            b"ffffffffffffffff\r\n" + form,
            b"",
        ):
            assert post(site, path, broken) == 400, (path, broken)
        assert post(site, path, form[:10], f"Content-Length: {len(form)}\r\n") == 400
    assert session.scalar(select(func.count()).select_from(User)) == 0
    assert "Traceback" not in site.log("web")


def test_the_site_answers_to_its_own_names_only(site: RunningSite) -> None:
    """Other host names are refused, and redirects contain none."""

    def asked(path: str, host: str, more: str = "") -> str:
        return answer(
            site, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode()
        )

    for host in ("evil.example", "127.0.0.1.evil.example", "localhost:80@evil.example", "a b"):
        assert asked("/taskadmin/tasks", host).split()[1] == "400", host
    assert asked("/healthz", "127.0.0.1").split()[1] == "200"
    assert asked("/", "localhost", "X-Forwarded-Host: evil.example\r\n").split()[1] == "400"

    for path in ("/", "/taskadmin", "/taskadmin/tasks", "/taskadmin/tasks/"):
        told = asked(path, "localhost", "X-Forwarded-Proto: https\r\n")
        [location] = [
            line.partition(": ")[2]
            for line in told.splitlines()
            if line.lower().startswith("location:")
        ]
        assert location.startswith("/taskadmin"), path
