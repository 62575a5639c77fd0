"""All parts in one call."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import click
from flask.cli import FlaskGroup
from sqlalchemy import event
from sqlalchemy.engine import Engine

from fixture_types import MakeApp
from services.hosts import host_app
from services.servers.databases import dispose_engines
from taskadmin import TaskAdmin
from taskadmin.state import get_state


def test_everything_in_one_call(make_app: MakeApp) -> None:
    """The state holds what the parts use from each other."""
    state = get_state(make_app())
    parts = {"Models", "Migrations", "Accounts", "TaskQueue", "AdminViews", "Metrics"}
    assert state.parts == parts
    assert state.publish is not None
    assert state.celery is not None


def test_init_app_opens_no_connection() -> None:
    """A host starts while the database and broker are down."""
    app, db = host_app("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    app.config["CELERY"] = {"broker_url": "amqp://nobody@127.0.0.1:1//"}
    connected: list[Any] = []

    def note(*arguments: Any) -> None:
        connected.append(arguments)

    event.listen(Engine, "do_connect", note)
    try:
        TaskAdmin().init_app(app, db=db)
    finally:
        event.remove(Engine, "do_connect", note)
    assert connected == []
    dispose_engines(app)


def test_the_hosts_own_settings_stay() -> None:
    """Existing keys are unchanged; only TASKADMIN_* keys and missing defaults are added."""
    app, db = host_app(PERMANENT_SESSION_LIFETIME=77, SQLALCHEMY_ECHO=False)
    before = dict(app.config)
    TaskAdmin().init_app(app, db=db)
    assert {key: app.config[key] for key in before} == before
    assert {key for key in app.config if key.startswith("SQLALCHEMY_")} == {
        key for key in before if key.startswith("SQLALCHEMY_")
    }


def test_commands_are_known_to_the_application() -> None:
    """Tests and scripts invoke them by ``app.test_cli_runner()``, without the entry point."""
    app, db = host_app()
    TaskAdmin().init_app(app, db=db)

    done = app.test_cli_runner().invoke(args=["taskadmin", "--help"])

    assert done.exit_code == 0, done.output
    assert "create-superuser" in done.output


def test_the_flask_command_has_them_once() -> None:
    """The entry point and the application lead to the same group."""
    app, db = host_app()
    TaskAdmin().init_app(app, db=db)
    flask = FlaskGroup(create_app=lambda: app)
    [entry] = entry_points(group="flask.commands", name="taskadmin")

    listed = app.test_cli_runner().invoke(flask, ["--help"]).output

    assert entry.load() is app.cli.commands["taskadmin"]
    assert sum(line.split()[:1] == ["taskadmin"] for line in listed.splitlines()) == 1


def test_a_hosts_own_command_of_this_name_stays() -> None:
    """It was there first."""
    app, db = host_app()
    own = click.Group("taskadmin")
    app.cli.add_command(own)

    TaskAdmin().init_app(app, db=db)

    assert app.cli.commands["taskadmin"] is own
