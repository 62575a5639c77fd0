"""Pages with another version's schema explain what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeUser
from services.browser import sign_in
from taskadmin import migrations
from taskadmin.health.checks.database import database
from taskadmin.health.finding import Status
from taskadmin.models import TaskResult

PAGES = (
    *("dashboard/", "tasks/", "tasks/new/", "runs/", "launches/", "failures/", "workers/"),
    *("review/", "users/", "audit/", "profile", "preferences", ""),
    *("runs/export/csv/", "tasks/export/json/", "audit/export/csv/"),
)
NEWEST = migrations.newest_revision()


def with_a_cookie(app: Flask) -> FlaskClient:
    """The browser of a user who was logged in before."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = "1.nonce", True
    return client


@pytest.mark.parametrize("revision", [None, "0001", "0005"])
def test_every_page_says_which_command_brings_it_up_to_date(
    make_app: MakeApp, empty_database_url: URL, revision: str | None
) -> None:
    """Without tables, and with those of older versions, which lack columns of users."""
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)
    if revision is not None:
        migrations.upgrade(app, revision)
    client = with_a_cookie(app)

    for path in PAGES:
        answer = client.get(f"/taskadmin/{path}")
        assert answer.status_code == 503, path
        assert "flask taskadmin db upgrade</code>" in answer.text, path
        assert "Retry-After" not in answer.headers
        if revision is not None:
            assert f"revision {revision}; this version of taskadmin needs {NEWEST}" in answer.text
        else:
            assert "<h1>The database isn&#39;t set up yet</h1>" in answer.text

    migrations.upgrade(app)
    assert client.get("/taskadmin/login").status_code == 200


def test_pages_of_a_schema_that_is_a_little_older(
    superuser: FlaskClient, engine: Engine, app: Flask
) -> None:
    """Without the sessions' table, there is no current user; the log in page is shown."""
    engine.dispose()
    migrations.downgrade(app, "0008")

    answers = {path: superuser.get(f"/taskadmin/{path}") for path in PAGES}

    for path, answer in answers.items():
        assert "db upgrade</code>" in answer.text, path
    assert app.test_client().get("/taskadmin/login").status_code == 200


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("ALTER TABLE taskadmin_launch RENAME COLUMN reason TO cause", "launches/"),
        ("ALTER TABLE taskadmin_task_result RENAME COLUMN output TO said", "runs/export/json/"),
        ("DROP TABLE taskadmin_audit", "audit/"),
    ],
)
def test_a_schema_that_lacks_something(
    superuser: FlaskClient, session: Session, runs: list[TaskResult], change: str, path: str
) -> None:
    """The revision is the newest, so the command is the check."""
    session.execute(text(change))
    session.commit()

    answer = superuser.get(f"/taskadmin/{path}")

    assert answer.status_code == 503
    assert "<h1>The database is incomplete</h1>" in answer.text
    assert "flask taskadmin db check</code>" in answer.text


def test_a_schema_that_is_newer_and_has_lost_something(
    superuser: FlaskClient, session: Session
) -> None:
    """This process should be replaced."""
    session.execute(text("UPDATE taskadmin_alembic_version SET version_num = '9999'"))
    session.execute(text("ALTER TABLE taskadmin_launch RENAME COLUMN reason TO cause"))
    session.commit()

    answer = superuser.get("/taskadmin/launches/")

    assert answer.status_code == 503
    assert f"at revision 9999; this version of taskadmin has {NEWEST}" in answer.text


def test_a_hosts_own_tables_are_its_own(
    app: Flask, superuser: FlaskClient, database_url: URL
) -> None:
    """Errors about them aren't explained, also on its pages."""
    other = create_engine(database_url)

    def fail() -> None:
        with other.connect() as connection:
            connection.execute(text("SELECT * FROM shop_order"))

    app.before_request(fail)
    with pytest.raises(Exception, match="shop_order"):
        superuser.get("/taskadmin/tasks/")
    other.dispose()


def assert_unusable(app: Flask, title: str) -> None:
    """Pages and the log in lead to the doctor, which says why."""
    client = with_a_cookie(app)
    log_in = {"username": "ana", "password": "correct horse"}
    answers = [
        *(client.get(f"/taskadmin/{path}") for path in ("dashboard/", "profile", "")),
        client.post("/taskadmin/login", data=log_in),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert f"<h1>{title}</h1>" in answer.text
        assert "flask taskadmin doctor</code>" in answer.text
        assert ("Retry-After" in answer.headers) == ("unavailable" in title)
    found = database(app)
    assert found.status == Status.PROBLEM
    assert " can't be used: " in found.found
    assert found.fix == "Start the database, or correct SQLALCHEMY_DATABASE_URI."


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("file", "title"),
    [
        ("text", "The database can&#39;t be read"),
        ("half", "The database can&#39;t be read"),
        ("", "The database is unavailable"),  # the folder itself
        ("missing/file", "The database is unavailable"),
    ],
)
def test_a_file_that_cant_be_opened_or_is_no_database(
    make_app: MakeApp, database_url: URL, tmp_path: Path, file: str, title: str
) -> None:
    """Only an unavailable one may come back by itself."""
    (tmp_path / "text").write_text("This is no database. " * 100)
    whole = Path(str(database_url.database)).read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])

    assert_unusable(make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/{file}"), title)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("part", [{"database": "none"}, {"username": "nobody"}, {"port": 1}])
def test_a_server_that_refuses(make_app: MakeApp, database_url: URL, part: dict[str, Any]) -> None:
    """Because of its name, the user or its port."""
    app = make_app(SQLALCHEMY_DATABASE_URI=database_url.set(**part))

    assert_unusable(app, "The database is unavailable")


@pytest.mark.databases("sqlite")
def test_a_file_that_is_read_only(
    make_app: MakeApp, make_user: MakeUser, database_url: URL
) -> None:
    """Pages are shown, and refuse changes."""
    file = f"sqlite:///file:{database_url.database}?mode=ro&uri=true"
    app = make_app(SQLALCHEMY_DATABASE_URI=file)
    client = sign_in(app.test_client(), make_user("ana", is_superuser=True))

    answer = client.post("/taskadmin/tasks/action/", data={"action": "run_now", "rowid": "1"})

    assert client.get("/taskadmin/tasks/").status_code == 200
    assert answer.status_code == 503
    assert "<h1>The database can&#39;t be written</h1>" in answer.text
    assert answer.headers["Retry-After"] == "5"
