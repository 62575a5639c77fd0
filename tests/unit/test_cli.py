"""``flask taskadmin …``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeUser
from services.databases import dispose_engines
from taskadmin import Models
from taskadmin.accounts.passwords import verify_password
from taskadmin.cli import taskadmin_cli
from taskadmin.migrations import newest_revision
from taskadmin.models import User
from taskadmin.store import audit
from taskadmin.store.audit import Filter

PASSWORD = "a long enough password"


def test_the_commands_are_found_by_flask(app: Flask) -> None:
    """The package's entry point adds the group to every application's ``flask`` command."""
    flask = FlaskGroup(create_app=lambda: app)

    done = CliRunner().invoke(flask, ["taskadmin", "--help"])

    assert done.exit_code == 0
    for command in ("create-superuser", "db", "doctor", "ping"):
        assert command in done.output


def test_create_superuser_asks_for_the_password_twice(app: Flask, session: Session) -> None:
    """The password is typed blind, and its hash is stored."""
    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", "Ana"], input=f"{PASSWORD}\n{PASSWORD}\n"
    )

    assert done.exit_code == 0, done.output
    assert "Superuser Ana created." in done.output
    assert PASSWORD not in done.output
    user = session.scalars(select(User)).one()
    assert user.is_superuser and user.is_active
    assert user.password_hash is not None
    assert verify_password(user.password_hash, PASSWORD)
    [entry] = audit.page(session, Filter(), limit=9)
    assert (entry.actor_id, entry.source, entry.action) == (None, "command line", "created")
    assert entry.subject == "Ana"


def test_create_superuser_reads_the_password_from_a_named_variable(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For scripts: nothing is asked, nothing is on the command line."""
    monkeypatch.setenv("ANAS_PASSWORD", PASSWORD)

    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", "ana", "--password-env", "ANAS_PASSWORD"]
    )

    assert done.exit_code == 0, done.output
    user = session.scalars(select(User)).one()
    assert verify_password(user.password_hash or "", PASSWORD)


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("ana", "", "The environment variable ANAS_PASSWORD is empty."),
        ("ana", "short", "at least 10 characters"),
        ("", PASSWORD, "Enter a username."),
        ("Taken", PASSWORD, "The username Taken is taken."),
    ],
)
def test_create_superuser_refuses_what_registration_refuses(
    app: Flask,
    session: Session,
    make_user: MakeUser,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    password: str,
    message: str,
) -> None:
    """One sentence, exit code 1, nobody created."""
    make_user("taken")
    monkeypatch.setenv("ANAS_PASSWORD", password)

    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", name, "--password-env", "ANAS_PASSWORD"]
    )

    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output
    assert [user.username for user in session.scalars(select(User))] == ["taken"]


def test_db_commands_bring_the_schema_up_and_down(
    make_app: MakeApp, empty_database_url: URL
) -> None:
    """Upgrade, check, current, downgrade: each says where the database is."""
    runner = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url).test_cli_runner()

    def db(*arguments: str) -> tuple[int, str]:
        done = runner.invoke(taskadmin_cli, ["db", *arguments])
        return done.exit_code, done.output.strip()

    newest = newest_revision()
    assert db("current") == (0, f"no taskadmin tables (newest is {newest})")
    behind = (
        f"Error: The database is at revision none, taskadmin needs {newest}:"
        " run flask taskadmin db upgrade."
    )
    assert db("check") == (1, behind)
    assert db("upgrade") == (0, f"{newest} (newest)")
    assert db("check") == (0, "The schema is what this version of taskadmin needs.")
    assert db("downgrade", "0001") == (0, f"0001 (newest is {newest})")
    assert db("upgrade") == (0, f"{newest} (newest)")
    assert db("downgrade", "base") == (0, f"no taskadmin tables (newest is {newest})")


def test_an_unknown_revision_is_one_sentence(app: Flask) -> None:
    """A misspelt revision is an error of the caller's, not a traceback."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["db", "upgrade", "nonsense"])

    assert done.exit_code == 1
    assert "nonsense" in done.output
    assert "Traceback" not in done.output


def test_ping_says_what_is_missing(app: Flask) -> None:
    """Without a result backend a worker can't answer; the error says which line to add."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["ping"])

    assert done.exit_code == 1
    assert done.output.strip() == (
        "Error: Celery's result backend is switched off, so a worker can't answer:"
        ' set result_backend to "rpc://".'
    )


@pytest.mark.databases("postgresql")
def test_a_database_that_is_away_is_one_sentence(make_app: MakeApp, database_url: URL) -> None:
    """No traceback for what the person can mend."""
    away = database_url.set(host="127.0.0.1", port=1)

    done = (
        make_app(SQLALCHEMY_DATABASE_URI=away)
        .test_cli_runner()
        .invoke(taskadmin_cli, ["db", "current"])
    )

    assert done.exit_code == 1
    assert done.output.startswith("Error: The database can't be used: ")
    assert "Traceback" not in done.output


@pytest.mark.databases("sqlite")
@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//", "result_backend": "rpc://"})
def test_ping_without_a_broker_is_one_sentence(app: Flask) -> None:
    """Soon, and with what to look at."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["ping", "--timeout", "1"])

    assert done.exit_code == 1
    assert done.output.startswith("Error: The broker can't be reached: ")


@pytest.mark.databases("sqlite")
def test_two_different_passwords_are_asked_for_again(app: Flask, session: Session) -> None:
    """A typing error nobody can see makes no account that nobody can use."""
    typed = f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"

    done = app.test_cli_runner().invoke(taskadmin_cli, ["create-superuser", "ana"], input=typed)

    assert done.exit_code == 0, done.output
    assert "do not match" in done.output
    assert verify_password(session.scalars(select(User.password_hash)).one(), PASSWORD)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", ["two words", "a\u202eb", "<script>", "x" * 65, "a\0b"])
def test_a_superusers_name_is_checked_like_any_other(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One sentence about names, exit code 1."""
    monkeypatch.setenv("ANAS_PASSWORD", PASSWORD)

    done = app.test_cli_runner().invoke(
        taskadmin_cli, ["create-superuser", name, "--password-env", "ANAS_PASSWORD"]
    )

    assert done.exit_code == 1
    assert done.output.startswith("Error: A username ")
    assert session.scalars(select(User)).all() == []


@pytest.mark.databases("sqlite")
def test_the_created_superuser_can_log_in(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """And manages tasks."""
    monkeypatch.setenv("ANAS_PASSWORD", PASSWORD)
    arguments = ["create-superuser", "ana", "--password-env", "ANAS_PASSWORD"]
    app.test_cli_runner().invoke(taskadmin_cli, arguments)
    client = app.test_client()

    client.post("/taskadmin/login", data={"username": "ana", "password": PASSWORD})

    assert client.get("/taskadmin/tasks/").status_code == 200


def test_tables_that_are_not_there_are_one_sentence(
    make_app: MakeApp, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forgot the migration reads so."""
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
    """An application with tables only has nobody to ping."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))

    done = app.test_cli_runner().invoke(taskadmin_cli, ["ping"])

    assert done.exit_code == 1
    assert done.output.strip() == "Error: This application has no task queue: add TaskQueue."
    dispose_engines(app)


def test_commands_without_taskadmin_say_what_to_call() -> None:
    """The entry point adds the group to every application, also to those without taskadmin."""
    done = Flask("shop").test_cli_runner().invoke(taskadmin_cli, ["db", "current"])

    assert done.exit_code == 1
    assert done.output.strip() == (
        "Error: taskadmin isn't initialised on 'shop': call TaskAdmin().init_app(app, db=db)."
    )
