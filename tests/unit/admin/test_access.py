"""Who may open what: every endpoint of every view, for everybody."""

from __future__ import annotations

import logging
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from fixture_types import MakeTask

#: In the order of the menu.
NAMES = (
    *("Dashboard", "Tasks", "Runs", "Launches", "Failures", "Workers"),
    *("Review", "Users", "Audit"),
)
VIEWS = tuple(f"taskadmin_{name.lower()}" for name in NAMES)
pytestmark = pytest.mark.databases("sqlite")


def rules(app: Flask) -> list[Rule]:
    """Every address of the admin views but their static files."""
    found = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(VIEWS) and not rule.endpoint.endswith(".static")
    ]
    assert {rule.endpoint for rule in found} >= {
        *("taskadmin_tasks." + name for name in ("index_view", "create_view", "edit_view")),
        *("taskadmin_tasks." + name for name in ("details_view", "delete_view", "action_view")),
        *("taskadmin_tasks." + name for name in ("export", "ajax_lookup", "ajax_update")),
        "taskadmin_runs.details_view",
        *("taskadmin_review.index_view", "taskadmin_review.tasks_view"),
        *("taskadmin_users.edit_view", "taskadmin_users.password_view"),
        *("taskadmin_audit.index_view", "taskadmin_audit.export_view"),
        *(f"taskadmin_{name}.index_view" for name in ("dashboard", "failures", "launches")),
        "taskadmin_workers.index_view",
    }
    return found


def answers(app: Flask, client: FlaskClient) -> dict[str, TestResponse]:
    """What *client* gets from every address by every method."""
    given = {}
    for rule in rules(app):
        path = re.sub("<.*>", "csv", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            given[f"{method} {rule.endpoint}"] = client.open(f"{path}?id=1", method=method)
    return given


def test_anonymous_people_are_led_to_the_log_in_page(
    app: Flask, client: FlaskClient, make_task: MakeTask
) -> None:
    """Every endpoint answers 302 to the log in page, POST ones too."""
    make_task()

    for name, answer in answers(app, client).items():
        assert answer.status_code == 302, name
        assert answer.location.startswith("/taskadmin/login?next=/taskadmin/"), name


def test_people_without_rights_get_403(app: Flask, plain: FlaskClient, make_task: MakeTask) -> None:
    """Every endpoint, in words, without a menu entry to it."""
    make_task()

    for name, answer in answers(app, plain).items():
        assert answer.status_code == 403, name
        assert "Your account may not open this page." in answer.text
        assert "/taskadmin/tasks/" not in answer.text


def test_reviewers_may_open_the_review_only(
    app: Flask, reviewer: FlaskClient, make_task: MakeTask
) -> None:
    """403 everywhere else."""
    make_task()

    allowed = {name for name, answer in answers(app, reviewer).items() if answer.status_code != 403}

    assert allowed == {"GET taskadmin_review.index_view", "GET taskadmin_review.tasks_view"}


def test_superusers_are_refused_nowhere(
    app: Flask, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """No endpoint answers 403 or with an error of the server."""
    make_task()

    for name, answer in answers(app, superuser).items():
        assert answer.status_code < 500, name
        assert answer.status_code != 403, name


@pytest.mark.parametrize(
    ("who", "menu"),
    [
        ("superuser", list(NAMES)),
        ("reviewer", ["Review"]),
        ("plain", []),
    ],
)
def test_the_menu_shows_what_the_person_may_open(
    app: Flask, request: pytest.FixtureRequest, who: str, menu: list[str]
) -> None:
    """No entry leads to 403."""
    client: FlaskClient = request.getfixturevalue(who)

    page = client.get("/taskadmin/profile").text

    shown = [name for name in NAMES if f'href="/taskadmin/{name.lower()}/"' in page]
    assert shown == menu


@pytest.mark.parametrize(
    ("who", "target"),
    [
        ("superuser", "/taskadmin/dashboard/"),
        ("reviewer", "/taskadmin/review/"),
        ("plain", "/taskadmin/profile"),
        ("client", "/taskadmin/login?next=/taskadmin/"),
    ],
)
def test_the_start_leads_to_what_the_person_may_open(
    app: Flask, request: pytest.FixtureRequest, who: str, target: str
) -> None:
    """Everybody lands on a page."""
    client: FlaskClient = request.getfixturevalue(who)

    assert client.get("/taskadmin/").location == target


def test_refused_access_is_one_line_of_the_log(
    plain: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, and which page."""
    caplog.set_level(logging.INFO, "taskadmin")

    plain.get("/taskadmin/users/")

    assert [record.getMessage() for record in caplog.records] == [
        "Refused /taskadmin/users/ to boris"
    ]
