"""The doctor's checks of the database, its clock and its schema."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import URL, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from services.doctor import examined
from taskadmin import migrations
from taskadmin.health import Status
from taskadmin.health.checks import database as database_module
from taskadmin.migrations import newest_revision
from taskadmin.store.reports import health as store
from taskadmin.store.reports.health import ClockSkew, Server


def test_database_is_named_with_its_version(app: Flask, database: str, database_url: URL) -> None:
    """Without user and password."""
    found = examined(app)["database"].found

    if database == "sqlite":
        assert found.startswith("SQLite 3.")
        assert found.endswith(f" at {database_url.database}")
    else:
        assert found.startswith("PostgreSQL 1")
        assert found.endswith(f"/{database_url.database}")


@pytest.mark.databases("postgresql")
def test_database_that_refuses(make_app: MakeApp, database_url: URL, free_port: int) -> None:
    """Checks that need the database are skipped, others run."""
    away = database_url.set(host="127.0.0.1", port=free_port, password="s3cret-word")
    app = make_app(SQLALCHEMY_DATABASE_URI=away)

    found = examined(app)

    assert found["database"].status == Status.PROBLEM
    assert found["database"].found.startswith(
        f"The database at 127.0.0.1:{free_port}/{database_url.database} can't be used: "
    )
    assert found["database"].fix == "Start the database, or correct SQLALCHEMY_DATABASE_URI."
    for name in ("pooler", "migrations", "beat", "workers", "stuck runs", "table growth"):
        assert (found[name].status, found[name].found) == (
            Status.WARNING,
            "Not checked: see database.",
        )
    assert found["broker"].status == Status.WARNING  # memory:// has no confirms
    assert "s3cret-word" not in str(found)


@pytest.mark.databases("postgresql")
def test_database_that_never_answers(
    make_app: MakeApp, database_url: URL, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor waits until a timeout."""
    monkeypatch.setattr(database_module, "_QUERY_TIMEOUT_SECONDS", 0.3)
    away = database_url.set(host="127.0.0.1", port=silent_port)
    options = {"connect_args": {"connect_timeout": 2}}
    app = make_app(SQLALCHEMY_DATABASE_URI=away, SQLALCHEMY_ENGINE_OPTIONS=options)

    assert "didn't respond within 0.3 s" in examined(app)["database"].found


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server("postgresql", (12, 22)), "PostgreSQL 12.22 at "),
        (Server("sqlite", (3, 34, 1)), "SQLite 3.34.1 at "),
        (Server("mysql", (8, 4)), "mysql 8.4 at "),
    ],
)
def test_database_that_isnt_supported(
    app: Flask, monkeypatch: pytest.MonkeyPatch, server: Server, expected: str
) -> None:
    """Older versions lack required statements."""
    monkeypatch.setattr(store, "server", lambda _: server)

    found = examined(app)["database"]

    assert found.status == Status.PROBLEM
    assert found.found.startswith(expected)


def test_clocks_that_agree(app: Flask) -> None:
    """The database is on this machine."""
    assert examined(app)["clock skew"].status == Status.OK


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("seconds", "status", "direction"),
    [
        (1.9, Status.OK, "behind"),
        (2.1, Status.OK, "behind"),  # within the round trip's duration
        (2.3, Status.WARNING, "behind"),
        (-59, Status.WARNING, "ahead of"),
        (-3600, Status.PROBLEM, "ahead of"),
    ],
)
def test_clocks_that_disagree(
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    status: Status,
    direction: str,
) -> None:
    """A warning from 2 s, a problem from a minute."""
    skew = ClockSkew(timedelta(seconds=seconds), timedelta(seconds=0.2))
    monkeypatch.setattr(store, "clock_skew", lambda _: skew)

    found = examined(app)["clock skew"]

    assert found.status == status
    assert found.found == (
        f"This machine's clock is {abs(seconds):.3f} s {direction} the database's (± 0.200 s)."
    )


def test_schema_that_is_behind(make_app: MakeApp, empty_database_url: URL) -> None:
    """The fix is the command; checks that need the tables are skipped."""
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)

    found = examined(app)

    assert found["migrations"] == (
        "migrations",
        Status.PROBLEM,
        f"The schema is at revision none, this version needs {newest_revision()}.",
        "flask taskadmin db upgrade",
    )
    assert found["beat"].found == "Not checked: see migrations."
    assert found["clock skew"].status == Status.OK
    migrations.upgrade(app)
    assert examined(app)["migrations"].status == Status.OK


def test_schema_that_is_ahead(app: Flask, session: Session) -> None:
    """A warning, as during a rollout."""
    session.execute(text("UPDATE taskadmin_alembic_version SET version_num = '9999'"))
    session.commit()

    found = examined(app)["migrations"]

    assert found.status == Status.WARNING
    assert "ahead of this version's" in found.found
