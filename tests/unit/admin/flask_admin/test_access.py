"""Access to all endpoints of all views, for all roles."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient

#: In the order of the menu.
NAMES = (
    *("Dashboard", "Tasks", "Runs", "Launches", "Failures", "Workers"),
    *("Review", "Users", "Audit"),
)

VIEWS = tuple(f"taskadmin_{name.lower()}" for name in NAMES)

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("who", "menu"),
    [
        ("superuser", list(NAMES)),
        ("reviewer", ["Review"]),
        ("plain", []),
    ],
)
def test_the_menu_links_only_to_accessible_pages(
    app: Flask, request: pytest.FixtureRequest, who: str, menu: list[str]
) -> None:
    """No entry leads to 403."""
    client: FlaskClient = request.getfixturevalue(who)

    page = client.get("/taskadmin/profile").text

    shown = [name for name in NAMES if f'href="/taskadmin/{name.lower()}/"' in page]
    assert shown == menu


def test_refused_access_is_one_line_of_the_log(
    plain: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """With user and page; the page has no menu."""
    caplog.set_level(logging.INFO, "taskadmin")

    page = plain.get("/taskadmin/users/").text

    assert "Your account doesn't have access to this page." in page
    assert "/taskadmin/tasks/" not in page

    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("refused: page '/taskadmin/users/' by 'boris' from 127.0.0.1 with ")
