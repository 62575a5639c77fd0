"""Templates, static files and filters of all pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fixture_types import MakeHost
from services.hosts import host_app
from taskadmin import Accounts, AdminViews, ConfigurationError, Models, TaskAdmin
from taskadmin.web.blueprint import add_shell

pytestmark = pytest.mark.databases("sqlite")


def test_static_files_are_below_the_prefix(app: Flask, client: FlaskClient) -> None:
    """A second part that needs them registers nothing."""
    before = len(list(app.url_map.iter_rules()))

    add_shell(app, "/elsewhere")

    assert len(list(app.url_map.iter_rules())) == before
    with client.get("/taskadmin/static/taskadmin.css") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/css")


def test_a_constant_is_formatted_for_each_reader(app: Flask) -> None:
    """Otherwise, Jinja evaluates filters of constants once, on compilation."""
    template = app.jinja_env.from_string("{{ 1234.5 | taskadmin_number }}")

    shown = []
    for language in ("en", "de"):
        with app.test_request_context(headers={"Accept-Language": language}):
            shown.append(template.render())

    assert shown == ["1,234.5", "1.234,5"]


@pytest.mark.parametrize("part", [TaskAdmin, Accounts, AdminViews])
@pytest.mark.parametrize(
    ("url_prefix", "better"),
    [
        ("taskadmin", "/taskadmin"),
        ("ops/jobs/", "/ops/jobs"),
        ("//x", "/x"),
        ("/a b", "/a/b"),
        ("/<name>", "/name"),
        ("/jobs?a=1", "/jobs/a/1"),
        ("?", "/taskadmin"),
        (None, "/taskadmin"),
    ],
)
def test_a_prefix_that_is_no_path_is_refused(part: Any, url_prefix: Any, better: str) -> None:
    """At once, with a prefix that works."""
    app, db = host_app()
    options = {"db": db} if part is TaskAdmin else {}
    if part is not TaskAdmin:
        Models().init_app(app, db=db)
    if part is AdminViews:
        Accounts().init_app(app)

    with pytest.raises(ConfigurationError) as refused:
        part().init_app(app, url_prefix=url_prefix, **options)

    assert str(refused.value) == (
        f"url_prefix is {url_prefix!r}; expected a path that starts with a slash, such as"
        f' url_prefix="{better}".'
    )


@pytest.mark.parametrize(
    ("url_prefix", "root"),
    [("/ops", "/ops"), ("/ops/", "/ops"), ("/ops/jobs", "/ops/jobs"), ("/", ""), ("", "")],
)
def test_pages_work_with_every_prefix(make_host: MakeHost, url_prefix: str, root: str) -> None:
    """Also at the root, where the host's static files are, and with a slash at the end."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, url_prefix=url_prefix)
    client = app.test_client()

    page = client.get(f"{root}/login")

    assert client.get(f"{root}/").location == f"{root}/login?next={root}/"
    assert client.get(f"{root}/healthz").status_code == 200
    assert page.status_code == 200
    static = re.findall(r'(?:href|src)="(/[^"]+\.(?:css|js|svg)[^"]*)"', page.text)
    assert len(static) >= 4
    for path in static:
        assert client.get(path, buffered=True).status_code == 200, path
