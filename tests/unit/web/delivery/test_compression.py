"""Compressed pages and static files."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import brotli
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

pytestmark = pytest.mark.databases("sqlite")

PAGE, FILE = "/taskadmin/login", "/taskadmin/static/taskadmin.css"
EXPANDERS: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}


@pytest.mark.parametrize(("path", "text"), [(PAGE, b"<!doctype html>"), (FILE, b"--surface")])
@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0.5, gzip;q=0.9", "gzip")],
)
def test_pages_and_files_are_compressed(
    client: FlaskClient, path: str, text: bytes, accepted: str, encoding: str
) -> None:
    """With the encoding that the browser prefers, to less than half."""
    plain = client.get(path, buffered=True)
    answer = client.get(path, headers={"Accept-Encoding": accepted}, buffered=True)

    assert answer.headers["Content-Encoding"] == encoding
    assert int(answer.headers["Content-Length"]) == len(answer.data) < len(plain.data) / 2
    assert text in EXPANDERS[encoding](answer.data)
    assert "Accept-Encoding" in answer.vary
    assert "Accept-Encoding" in plain.vary
    assert "Content-Encoding" not in plain.headers


def test_compressed_files_can_be_checked(client: FlaskClient) -> None:
    """By an entity tag of their contents, whatever their encoding is."""
    accepts = {"Accept-Encoding": "br"}
    first = client.get(FILE, headers=accepts, buffered=True)

    known = {**accepts, "If-None-Match": first.headers["ETag"]}
    again = client.get(FILE, headers=known, buffered=True)

    assert first.headers["ETag"].startswith("W/")
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "identity"}])
def test_others_get_plain_text(client: FlaskClient, headers: dict[str, str]) -> None:
    """Programs that accept no encoding."""
    assert client.get(PAGE, headers=headers).text.startswith(("<!doctype html>", "\n"))


@pytest.mark.parametrize(
    ("site", "is_compressed"),
    [("none", True), ("same-origin", True), ("same-site", False), ("cross-site", False)],
)
def test_no_length_tells_another_site_anything(
    client: FlaskClient, site: str, is_compressed: bool
) -> None:
    """The length of a compressed page would tell what it has in common with the query (BREACH)."""
    answer = client.get(PAGE, headers={"Accept-Encoding": "br", "Sec-Fetch-Site": site})

    assert ("Content-Encoding" in answer.headers) is is_compressed


def test_the_hosts_pages_and_functions_are_unaffected(app: Flask) -> None:
    """Its own pages aren't compressed, and its after_request functions can read taskadmin's."""
    seen = []

    @app.get("/own")
    def own() -> str:
        return "own " * 1000

    @app.after_request
    def read(response: Response) -> Response:
        seen.append(response.get_data(as_text=True))
        return response

    client = app.test_client()
    answers = [client.get(path, headers={"Accept-Encoding": "br"}) for path in ("/own", PAGE)]

    assert [answer.headers.get("Content-Encoding") for answer in answers] == [None, "br"]
    assert "<h1>" in seen[1]


def test_short_and_streamed_responses_stay_as_they_are(superuser: FlaskClient) -> None:
    """A short one would become longer, and an export is sent while it is made."""
    for path in ("/taskadmin/healthz", "/taskadmin/tasks/export/csv/"):
        answer = superuser.get(path, headers={"Accept-Encoding": "gzip"}, buffered=True)

        assert "Content-Encoding" not in answer.headers, path
