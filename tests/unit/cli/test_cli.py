"""Commands of ``flask taskadmin``: database, first superuser."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeUser
from taskadmin.cli import taskadmin_cli
from taskadmin.migrations import newest_revision
from taskadmin.models import User
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter
from taskadmin.store.people.passwords import verify_password

PASSWORD = "a long enough password"


def test_the_commands_are_found_by_flask(app: Flask) -> None:
    """The entry point adds the group to all applications' ``flask`` command."""
    flask = FlaskGroup(create_app=lambda: app)

    done = CliRunner().invoke(flask, ["taskadmin", "--help"])

    assert done.exit_code == 0
    for command in ("create-superuser", "db", "doctor", "ping"):
        assert command in done.output


def test_create_superuser_asks_for_the_password_twice(app: Flask, session: Session) -> None:
    """The input is hidden, and the hash is stored."""
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


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("ana", "", "The environment variable ANAS_PASSWORD is empty."),
        ("ana", "short", "at least 10 characters"),
        ("", PASSWORD, "Enter a username."),
        ("Taken", PASSWORD, "The username Taken is taken."),
        *((name, PASSWORD, "Error: A username ") for name in ("two words", "a\u202eb", "<script>")),
        *((name, PASSWORD, "Error: A username ") for name in ("x" * 65, "a\0b")),
    ],
)
def test_create_superuser_has_the_rules_of_registration(
    app: Flask,
    session: Session,
    make_user: MakeUser,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    password: str,
    message: str,
) -> None:
    """One sentence, exit code 1, no account."""
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
    """Upgrade, check, current and downgrade print the revision."""
    runner = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url).test_cli_runner()

    def db(*arguments: str) -> tuple[int, str]:
        done = runner.invoke(taskadmin_cli, ["db", *arguments])
        return done.exit_code, done.output.strip()

    newest = newest_revision()
    assert db("current") == (0, f"no taskadmin tables (latest is {newest})")
    behind = (
        f"Error: The database is at revision none, taskadmin needs {newest}:"
        " run flask taskadmin db upgrade."
    )
    assert db("check") == (1, behind)
    assert db("upgrade") == (0, f"{newest} (latest)")
    assert db("check") == (0, "The schema matches this version of taskadmin.")
    assert db("downgrade", "0001") == (0, f"0001 (latest is {newest})")
    assert db("upgrade") == (0, f"{newest} (latest)")
    assert db("downgrade", "base") == (0, f"no taskadmin tables (latest is {newest})")


@pytest.mark.databases("sqlite")
def test_two_different_passwords_are_asked_for_again(app: Flask, session: Session) -> None:
    """So that a typing error doesn't create an unusable account."""
    typed = f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"

    done = app.test_cli_runner().invoke(taskadmin_cli, ["create-superuser", "ana"], input=typed)

    assert done.exit_code == 0, done.output
    assert "do not match" in done.output
    assert verify_password(session.scalars(select(User.password_hash)).one(), PASSWORD)


@pytest.mark.databases("sqlite")
def test_the_created_superuser_can_log_in(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script can pass the password in an environment variable."""
    monkeypatch.setenv("ANAS_PASSWORD", PASSWORD)
    arguments = ["create-superuser", "ana", "--password-env", "ANAS_PASSWORD"]
    app.test_cli_runner().invoke(taskadmin_cli, arguments)
    client = app.test_client()

    client.post("/taskadmin/login", data={"username": "ana", "password": PASSWORD})

    assert client.get("/taskadmin/tasks/").status_code == 200
