"""The doctor's checks of missing privileges, and of databases without free space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from taskadmin.health import Status
from taskadmin.health.checks.storage import rights, room


@pytest.fixture
def clerk(session: Session, database_url: URL) -> Iterator[str]:
    """A role with all required privileges that doesn't own the tables."""
    role = f"{database_url.database}_clerk"
    for statement in (
        f"CREATE ROLE {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ):
        session.execute(text(statement))
    session.commit()
    yield role
    session.rollback()
    session.execute(text(f"DROP OWNED BY {role}"))
    session.execute(text(f"DROP ROLE {role}"))
    session.commit()


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("revoked", "found", "fix"),
    [
        (None, None, None),
        # Not required.
        ("UPDATE, DELETE ON taskadmin_audit", None, None),
        ("INSERT, DELETE ON taskadmin_state", None, None),
        ("DELETE ON taskadmin_user", None, None),
        ("INSERT, UPDATE, DELETE ON taskadmin_alembic_version", None, None),
        (
            "UPDATE, DELETE ON taskadmin_task_result",
            "UPDATE, DELETE on taskadmin_task_result",
            'GRANT UPDATE, DELETE ON taskadmin_task_result TO "{role}";',
        ),
        (
            "ALL ON taskadmin_launch",
            "SELECT, INSERT, UPDATE, DELETE on taskadmin_launch",
            'GRANT SELECT, INSERT, UPDATE, DELETE ON taskadmin_launch TO "{role}";',
        ),
        (
            "INSERT ON taskadmin_audit",
            "INSERT on taskadmin_audit",
            'GRANT INSERT ON taskadmin_audit TO "{role}";',
        ),
        (
            "SELECT ON taskadmin_alembic_version",
            "SELECT on taskadmin_alembic_version",
            'GRANT SELECT ON taskadmin_alembic_version TO "{role}";',
        ),
        (
            "USAGE ON SEQUENCE taskadmin_task_id_seq",
            "USAGE on taskadmin_task_id_seq",
            'GRANT USAGE ON SEQUENCE taskadmin_task_id_seq TO "{role}";',
        ),
    ],
)
def test_the_doctor_names_each_right_that_the_role_lacks(
    session: Session,
    make_app: MakeApp,
    database_url: URL,
    clerk: str,
    revoked: str | None,
    found: str | None,
    fix: str | None,
) -> None:
    """With the GRANT statement; unneeded privileges aren't mentioned."""
    if revoked:
        session.execute(text(f"REVOKE {revoked} FROM {clerk}"))
        session.commit()
    as_clerk = database_url.update_query_dict({"options": f"-crole={clerk}"})
    app = make_app(SQLALCHEMY_DATABASE_URI=as_clerk)

    with app.app_context():
        answer = rights(app)

    if found is None or fix is None:
        assert (answer.status, answer.fix) == (Status.OK, None)
    else:
        assert answer.found == f"The role {clerk} lacks {found}."
        assert (answer.status, answer.fix) == (Status.PROBLEM, fix.format(role=clerk))
        # The fix is one.
        session.execute(text(answer.fix or ""))
        session.commit()
        with app.app_context():
            assert rights(app).status == Status.OK


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("revoked", "found"),
    [
        (None, None),
        ("INSERT, UPDATE ON taskadmin_process", "INSERT, UPDATE on taskadmin_process"),
        ("DELETE ON taskadmin_launch", "DELETE on taskadmin_launch"),
        # Tables that it doesn't need, such as a report.
        ("INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public", None),
        ("SELECT ON taskadmin_alembic_version", None),
    ],
)
def test_the_doctor_names_missing_privileges_of_other_connected_roles(
    session: Session,
    app: Flask,
    database_url: URL,
    clerk: str,
    revoked: str | None,
    found: str | None,
) -> None:
    """Such as a worker's role; roles that only read are ignored."""
    session.execute(text(f"ALTER ROLE {clerk} LOGIN PASSWORD 'clerk'"))
    if revoked:
        session.execute(text(f"REVOKE {revoked} FROM {clerk}"))
    session.commit()
    engine = create_engine(database_url.set(username=clerk, password="clerk"))

    with engine.connect(), app.app_context():
        answer = rights(app)
    engine.dispose()

    if found is None:
        assert (answer.status, answer.fix) == (Status.OK, None)
        return
    said = f"The role {clerk}, which other processes use, lacks {found}."
    assert (answer.status, answer.found) == (Status.WARNING, said)
    assert answer.fix == f'GRANT {found.replace("on", "ON")} TO "{clerk}";'


def test_an_owner_lacks_nothing_and_finds_room(app: Flask, session: Session) -> None:
    """The check leaves nothing behind."""
    with app.app_context():
        assert rights(app).status == Status.OK
        assert room(app).status == Status.OK
        assert room(app).status == Status.OK  # the first check left nothing behind
    if session.get_bind().dialect.name == "postgresql":
        assert session.execute(text("SELECT to_regclass('taskadmin_room')")).scalar() is None


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("error", "status", "found"),
    [
        (
            psycopg.errors.DiskFull("could not extend file: No space left on device"),
            Status.PROBLEM,
            "The database's disk is full: could not extend file: No space left on device",
        ),
        (
            psycopg.errors.ReadOnlySqlTransaction("cannot execute CREATE TABLE AS"),
            Status.PROBLEM,
            "The database is read-only: cannot execute CREATE TABLE AS",
        ),
        (
            psycopg.errors.InsufficientPrivilege("permission denied"),
            Status.OK,
            "Not checked: this role may not create temporary tables.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_reason_why_postgresql_refuses_writing_is_named(
    app: Flask, error: psycopg.Error, status: Status, found: str
) -> None:
    """As raised by the driver."""

    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "TEMPORARY" in statement:
            raise DBAPIError.instance(statement, (), error, psycopg.Error)

    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
        event.listen(engine, "before_cursor_execute", refuse)
        answer = room(app)

    assert (answer.status, answer.found) == (status, found)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("free", "status", "found"),
    [
        (2**30, Status.OK, "The database accepts writes; 1.0 GiB are free."),
        (50 * 2**20, Status.WARNING, "Little space is left for the database: 50.0 MiB."),
        (2**20, Status.PROBLEM, "No space is left for the database: 1.0 MiB."),
    ],
)
def test_a_sqlite_file_needs_room_on_its_disk(
    app: Flask, monkeypatch: pytest.MonkeyPatch, free: int, status: Status, found: str
) -> None:
    """SQLite itself would only report it on commit."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    with app.app_context():
        answer = room(app)

    assert (answer.status, answer.found) == (status, found)


@pytest.mark.databases("sqlite")
def test_a_sqlite_file_with_a_limit_of_its_own(app: Flask) -> None:
    """``max_page_count`` is like a full disk."""
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
        engine.dispose()
        event.listen(
            engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 1").close()
        )
        answer = room(app)

    assert answer.status == Status.PROBLEM
    assert answer.found.startswith("No space is left for the database: ")


@pytest.mark.databases("sqlite")
def test_a_sqlite_database_that_may_not_be_changed(make_app: MakeApp, database_url: URL) -> None:
    """Opened read-only, as without write permission on the file."""
    file = Path(str(database_url.database))
    app = make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///file:{file}?mode=ro&uri=true")

    with app.app_context():
        answer = room(app)

    assert answer.status == Status.PROBLEM
    assert answer.found.startswith("The database is read-only: attempt to write a readonly")
