"""The start page's redirect."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_admin import Admin, AdminIndexView

from fixture_types import MakeHost
from taskadmin import Identity, TaskAdmin

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("who", "target"),
    [
        ("superuser", "/taskadmin/dashboard/"),
        ("reviewer", "/taskadmin/review/"),
        ("plain", "/taskadmin/profile"),
        ("client", "/taskadmin/login?next=/taskadmin/"),
    ],
)
def test_the_start_page_redirects_to_an_accessible_page(
    app: Flask, request: pytest.FixtureRequest, who: str, target: str
) -> None:
    """For every role."""
    client: FlaskClient = request.getfixturevalue(who)

    assert client.get("/taskadmin/").location == target


def superuser() -> Identity:
    """Return the host's current user."""
    return Identity("ana", is_superuser=True)


@pytest.mark.parametrize("url", ["/admin", "/", "/x/taskadmin", "/taskadmin/inside"])
@pytest.mark.parametrize("url_prefix", ["/taskadmin", "/taskadmin/", "/ops"])
def test_the_root_of_the_pages_works_in_a_hosts_flask_admin(
    make_host: MakeHost, url: str, url_prefix: str
) -> None:
    """The index is the host's, wherever it is, and the pages are below the prefix."""
    app, db = make_host()
    admin = Admin(app, name="Shop", url=url)
    TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser, url_prefix=url_prefix)
    client = app.test_client()
    root = url_prefix.rstrip("/")

    assert client.get(f"{root}/").location == f"{root}/dashboard/"
    assert client.get(root, follow_redirects=True).status_code == 200
    assert "Home - Shop" in client.get(admin.url, follow_redirects=True).text


@pytest.mark.parametrize(
    ("url", "endpoint"), [("/taskadmin", None), ("/taskadmin", "taskadmin"), ("/taskadmin/", None)]
)
def test_a_hosts_flask_admin_with_the_same_prefix_keeps_its_index(
    make_host: MakeHost, url: str, endpoint: str | None
) -> None:
    """The pages are beside it, with their style sheet."""
    app, db = make_host()
    index = AdminIndexView(url=url, endpoint=endpoint)
    admin = Admin(app, name="Shop", index_view=index)
    TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser)
    client = app.test_client()

    page = client.get("/taskadmin/dashboard/")

    assert "Home - Shop" in client.get("/taskadmin/").text
    assert page.status_code == 200
    static = re.findall(r'(?:href|src)="(/taskadmin/[^"]+\.(?:css|js)[^"]*)"', page.text)
    assert {path.rpartition("/")[2].partition("?")[0] for path in static} >= {
        "taskadmin.css",
        "live.js",
    }
    for path in static:
        assert client.get(path, buffered=True).status_code == 200, path


def test_a_page_of_the_host_at_the_prefix_stays(make_host: MakeHost) -> None:
    """taskadmin's start page gives way."""
    app, db = make_host()
    app.add_url_rule("/taskadmin", "own", lambda: "the host's page")
    TaskAdmin().init_app(app, db=db, admin=Admin(app), identity=superuser)

    assert app.test_client().get("/taskadmin").text == "the host's page"
    assert "taskadmin_start" not in app.blueprints


def test_the_root_of_the_host_is_left_to_the_host(make_host: MakeHost) -> None:
    """Its page may be registered after taskadmin."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, admin=Admin(app), identity=superuser, url_prefix="/")
    app.add_url_rule("/", "own", lambda: "the host's page")
    client = app.test_client()

    assert client.get("/").text == "the host's page"
    assert client.get("/dashboard/").status_code == 200
