"""Static files that browsers keep."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask, Response, session
from flask.testing import FlaskClient

from taskadmin.web.delivery import static_files

pytestmark = pytest.mark.databases("sqlite")


def test_files_of_pages_are_kept_forever(client: FlaskClient) -> None:
    """Their addresses have a hash of the contents; a page loads them once."""
    page = client.get("/taskadmin/login").text

    files = re.findall(r'(?:href|src)="(/taskadmin/static/[^"]+)"', page)

    assert len(files) >= 4
    for file in files:
        assert re.search(r"\?v=[0-9a-f]{12}$", file), file
        control = client.get(file, buffered=True).cache_control
        assert (control.immutable, control.public, control.no_cache) == (True, True, None), file
        assert control.max_age == 31_536_000


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab"])
def test_another_version_is_checked_each_time(client: FlaskClient, query: str) -> None:
    """During an upgrade, an old page may get a new file, or a new page an old one."""
    answer = client.get(f"/taskadmin/static/taskadmin.css{query}", buffered=True)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["nothing.css", "../__init__.py", "%2e%2e/__init__.py"])
def test_only_static_files_are_sent(client: FlaskClient, name: str) -> None:
    """Others aren't found."""
    assert client.get(f"/taskadmin/static/{name}").status_code == 404


def test_an_edited_file_has_another_address(tmp_path: Any) -> None:
    """Also without a restart."""
    file = tmp_path / "one.css"
    versions = set()
    for text in ("a {}", "b {}"):
        file.write_text(text)
        versions.add(static_files.version_of(file))

    assert len(versions) == 2


def test_files_have_no_cookies(app: Flask) -> None:
    """Also if the host renews a cookie with each response."""

    @app.before_request
    def visit() -> None:
        session["visits"] = session.get("visits", 0) + 1

    @app.after_request
    def count(response: Response) -> Response:
        response.set_cookie("counter", "1")
        return response

    client = app.test_client()
    file = client.get("/taskadmin/static/taskadmin.js", buffered=True)

    assert len(client.get("/taskadmin/login").headers.getlist("Set-Cookie")) >= 2
    assert "Set-Cookie" not in file.headers
    assert "Cookie" not in file.vary
