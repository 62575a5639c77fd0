"""Errors of commands are one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, text

from fixture_types import MakeApp
from services.servers.databases import dispose_engines
from taskadmin import Models, migrations
from taskadmin.cli import taskadmin_cli

PASSWORD = "a long enough password"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("arguments", "config", "said"),
    [
        (["db", "upgrade", "nonsense"], {}, "Can't locate revision identified by 'nonsense'"),
        (
            ["ping"],
            {},
            (
                "Celery's result backend is switched off, so a worker can't answer:"
                ' set result_backend to "rpc://".'
            ),
        ),
        (
            ["ping", "--timeout", "1"],
            {"CELERY": {"broker_url": "amqp://127.0.0.1:1//", "result_backend": "rpc://"}},
            "The broker can't be reached: ",
        ),
    ],
)
def test_errors_that_callers_can_fix_are_one_sentence(
    make_app: MakeApp, arguments: list[str], config: dict[str, Any], said: str
) -> None:
    """With what to check or add, exit code 1, and no traceback."""
    done = make_app(**config).test_cli_runner().invoke(taskadmin_cli, arguments)

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.databases("postgresql")
def test_a_database_that_is_away_is_one_sentence(make_app: MakeApp, database_url: URL) -> None:
    """Without a traceback."""
    away = database_url.set(host="127.0.0.1", port=1)

    done = (
        make_app(SQLALCHEMY_DATABASE_URI=away)
        .test_cli_runner()
        .invoke(taskadmin_cli, ["db", "current"])
    )

    assert done.exit_code == 1
    assert done.output.startswith("Error: The database can't be used: ")
    assert "Traceback" not in done.output


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("42501", "The database can't be used: no"),
        ("25P02", "The database can't be used: no"),
        ("23505", "The database refused this: no"),
        ("54001", "The database refused this: no"),
    ],
)
def test_errors_of_the_database_are_one_sentence(
    app: Flask, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    """For any exception class of the driver."""

    def fail(app: Flask) -> None:
        with app.app_context():
            app.extensions["sqlalchemy"].session.execute(
                text(f"DO $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END$$")
            )

    monkeypatch.setattr(migrations, "check", fail)
    done = app.test_cli_runner().invoke(taskadmin_cli, ["db", "check"])
    assert (done.exit_code, done.output) == (1, f"Error: {said}\n")


def test_tables_that_are_not_there_are_one_sentence(
    make_app: MakeApp, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says to run the migration."""
    monkeypatch.setenv("ANAS_PASSWORD", PASSWORD)
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)

    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", "ana", "--password-env", "ANAS_PASSWORD"]
    )

    assert done.exit_code == 1
    assert "flask taskadmin db upgrade" in done.output
    assert "Traceback" not in done.output


@pytest.mark.databases("sqlite")
def test_ping_without_a_task_queue_says_which_part_is_missing(database_url: URL) -> None:
    """As in an application with only tables."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))

    done = app.test_cli_runner().invoke(taskadmin_cli, ["ping"])

    assert done.exit_code == 1
    assert done.output.strip() == "Error: This application has no task queue. Add TaskQueue()."
    dispose_engines(app)


def test_commands_without_taskadmin_name_the_missing_call() -> None:
    """The entry point adds the group to all applications, including those without taskadmin."""
    done = Flask("shop").test_cli_runner().invoke(taskadmin_cli, ["db", "current"])

    assert done.exit_code == 1
    assert done.output.strip() == (
        "Error: taskadmin isn't initialized on 'shop': call TaskAdmin().init_app(app, db=db)."
    )


@pytest.mark.parametrize(
    "arguments", [["tasks", "list"], ["tasks", "run", "1"], ["tasks", "export"]]
)
def test_without_tables_each_command_says_how_to_create_them(
    make_app: MakeApp, empty_database_url: URL, arguments: list[str]
) -> None:
    """Commands may be run before the first upgrade."""
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)
    done = app.test_cli_runner().invoke(taskadmin_cli, arguments)
    assert done.exit_code == 1
    assert done.output.startswith("Error: The database can't be used: ")
    assert done.output.endswith("\nRun flask taskadmin db upgrade.\n")
