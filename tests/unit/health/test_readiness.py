"""Readiness of an application."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.errors import InvalidSqlStatementName
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeApp
from taskadmin import migrations
from taskadmin.health import readiness
from taskadmin.migrations import newest_revision
from taskadmin.models import Process, ProcessKind
from taskadmin.state import get_state

READYZ = "/taskadmin/readyz"


def _celery(broker_url: str) -> dict[str, Any]:
    return {"broker_url": broker_url, "result_backend": "disabled://"}


def _unready(app: Flask) -> dict[str, str]:
    """Return the reasons, checking that the response comes quickly."""
    begun = time.monotonic()
    answer = app.test_client().get(READYZ)
    assert time.monotonic() - begun < 3
    assert answer.status_code == 503
    assert answer.get_json()["ready"] is False
    checks = answer.get_json()["checks"]
    return {name: check["detail"] for name, check in checks.items() if not check["ok"]}


def test_ready(rabbit_app: Flask) -> None:
    """Database, schema and a real broker are available; beat has never run."""
    answer = rabbit_app.test_client().get(READYZ)

    assert answer.status_code == 200
    assert answer.get_json() == {
        "ready": True,
        "checks": {
            "database": {"ok": True, "detail": "The database answers."},
            "migrations": {
                "ok": True,
                "detail": f"The schema is at revision {newest_revision()}, the newest.",
            },
            "broker": {"ok": True, "detail": "The broker answers."},
        },
        "beat": {"seen_seconds_ago": None, "launcher_ticked_seconds_ago": None},
    }


def test_a_late_beat_is_reported_and_the_process_stays_ready(
    client: FlaskClient, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """A working web process stays in service while beat is down."""
    add_process(ProcessKind.BEAT, silent=5000)
    add_process(ProcessKind.BEAT, silent=400)
    add_process(ProcessKind.WORKER)
    tick(300)

    answer = client.get(READYZ)

    assert answer.status_code == 200
    assert answer.get_json()["beat"] == {
        "seen_seconds_ago": pytest.approx(400, abs=5),
        "launcher_ticked_seconds_ago": pytest.approx(300, abs=5),
    }


def test_beat_that_is_gone_isnt_seen(
    client: FlaskClient, session: Session, add_process: Callable[..., Process]
) -> None:
    """Only a beat that may still run counts."""
    process = add_process(ProcessKind.BEAT)
    process.gone_at, process.ending = process.seen_at, "stopped"  # type: ignore[assignment]
    session.commit()

    assert client.get(READYZ).get_json()["beat"]["seen_seconds_ago"] is None


def test_schema_that_is_behind_isnt_ready(make_app: MakeApp, empty_database_url: URL) -> None:
    """With the command; the state of beat isn't read, since tables may be missing."""
    newest = newest_revision()
    app = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)
    assert _unready(app) == {
        "migrations": f"The schema is at revision none, this version needs {newest}:"
        " run flask taskadmin db upgrade."
    }

    migrations.upgrade(app, "0001")

    behind = make_app(SQLALCHEMY_DATABASE_URI=empty_database_url)
    assert _unready(behind)["migrations"].startswith("The schema is at revision 0001, ")


@pytest.mark.parametrize(("revision", "ready"), [("9999", True), ("nonsense", False)])
def test_schema_that_is_ahead_is_ready(
    app: Flask, client: FlaskClient, session: Session, revision: str, ready: bool
) -> None:
    """During a rollout, processes of the old version stay in service."""
    session.execute(text(f"UPDATE taskadmin_alembic_version SET version_num = '{revision}'"))
    session.commit()

    assert client.get(READYZ).get_json()["ready"] is ready


@pytest.mark.databases("postgresql")
def test_database_that_refuses(
    make_app: MakeApp, database_url: URL, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is general; the log has the driver's message once."""
    away = database_url.set(host="127.0.0.1", port=free_port, password="s3cret-word")
    app = make_app(SQLALCHEMY_DATABASE_URI=away)

    assert _unready(app) == {
        "database": "The database can't be reached.",
        "migrations": "Not checked without the database.",
    }
    assert "Connection refused" in caplog.text
    app.test_client().get(READYZ)
    assert caplog.text.count("Not ready: The database can't be reached.") == 1
    assert "s3cret-word" not in caplog.text


@pytest.mark.databases("postgresql")
def test_database_that_never_answers(
    make_app: MakeApp,
    database_url: URL,
    silent_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a short timeout, even if the host's is longer; later requests at once."""
    away = database_url.set(host="127.0.0.1", port=silent_port)
    options = {"connect_args": {"connect_timeout": 4}}
    app = make_app(SQLALCHEMY_DATABASE_URI=away, SQLALCHEMY_ENGINE_OPTIONS=options)

    assert _unready(app)["database"] == "The database doesn't answer."
    begun = time.monotonic()
    _unready(app)
    assert time.monotonic() - begun < 2


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(("failures", "status"), [(1, 200), (2, 503)])
def test_a_statement_that_another_connection_knows_is_repeated(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, failures: int, status: int
) -> None:
    """Once, so that a pooler that loses prepared statements doesn't fail every other check."""
    left = [DBAPIError("SELECT", {}, InvalidSqlStatementName("gone"))] * failures
    original = migrations.current_revision

    def look(app: Flask) -> str | None:
        if left:
            raise left.pop()
        return original(app)

    monkeypatch.setattr(migrations, "current_revision", look)
    answer = make_app().test_client().get(READYZ)
    assert answer.status_code == status
    detail = answer.get_json()["checks"]["database"]["detail"]
    assert detail == ("The database answers." if status == 200 else "The database can't be used.")


@pytest.mark.databases("sqlite")
def test_database_file_that_is_none(make_app: MakeApp, tmp_path: Any) -> None:
    """The database's message is the reason."""
    file = tmp_path / "text.sqlite"
    file.write_text("This is no database. " * 100)

    app = make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{file}")

    assert _unready(app)["database"] == "The database can't be used."


@pytest.mark.databases("postgresql")
def test_database_that_goes_and_comes_back(
    make_app: MakeApp, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """Dead connections are replaced, and the log says when it is back."""
    caplog.set_level(logging.INFO, "taskadmin.health")
    app = make_app(SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True})
    _forget_soon(app)
    client = app.test_client()
    assert client.get(READYZ).status_code == 200
    server = create_engine(database_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        name = database_url.database
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )

        assert "database" in _unready(app)

        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    server.dispose()
    assert client.get(READYZ).status_code == 200
    assert "Ready again: The database answers." in caplog.text


@pytest.mark.databases("postgresql")
def test_locked_rows_only_hide_beat(
    app: Flask, client: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beat never affects readiness, even if its table is locked."""
    monkeypatch.setattr(readiness, "_ROWS_SECONDS", 0.2)
    session.execute(text("LOCK TABLE taskadmin_process"))

    answer = client.get(READYZ)

    assert answer.status_code == 200
    assert answer.get_json()["beat"]["seen_seconds_ago"] is None


@pytest.mark.databases("sqlite")
def test_broker_that_refuses(make_app: MakeApp, free_port: int) -> None:
    """One sentence; the database is available."""
    app = make_app(CELERY=_celery(f"amqp://guest:guest@127.0.0.1:{free_port}//"))

    assert _unready(app) == {"broker": "The broker can't be reached."}


@pytest.mark.databases("sqlite")
def test_broker_that_never_answers(make_app: MakeApp, silent_port: int) -> None:
    """Almost as quickly as one that refuses."""
    app = make_app(CELERY=_celery(f"amqp://guest:guest@127.0.0.1:{silent_port}//"))

    assert _unready(app) == {"broker": "The broker can't be reached."}


@pytest.mark.databases("sqlite")
def test_broker_with_another_password(
    make_app: MakeApp, broker_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither response nor log contains it."""
    wrong = broker_url.replace("guest:guest", "guest:s3cret-word")
    app = make_app(CELERY=_celery(wrong))

    assert _unready(app) == {"broker": "The broker can't be reached."}
    assert "ACCESS_REFUSED" in caplog.text
    assert "s3cret-word" not in caplog.text


@pytest.mark.databases("sqlite")
def test_both_are_silent(
    make_app: MakeApp, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are checked concurrently."""

    def hang(_: Flask) -> None:
        time.sleep(4)

    monkeypatch.setattr(migrations, "current_revision", hang)
    app = make_app(CELERY=_celery(f"amqp://127.0.0.1:{silent_port}//"))

    assert _unready(app).keys() == {"database", "migrations", "broker"}


@pytest.mark.databases("sqlite")
def test_burst_opens_one_connection(
    make_app: MakeApp, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frequent requests cost almost nothing."""
    app = make_app()
    connections = []

    def look(_: Flask) -> readiness.Verdict:
        connections.append(1)
        return readiness.Verdict(True, "")

    monkeypatch.setattr(readiness, "_look_at_broker", look)

    answers = at_once(*[lambda: app.test_client().get(READYZ).status_code] * 20)

    assert answers == [200] * 20
    assert len(connections) == 1


@pytest.mark.databases("sqlite")
def test_unexpected_errors_are_reasons_too(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The response has no traceback, but the log does."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("amqp://guest:s3cret-word@mq")

    monkeypatch.setattr(readiness, "try_broker", fail)

    assert _unready(make_app()) == {
        "broker": "The broker can't be checked; the log has the reason."
    }
    assert "RuntimeError" in caplog.text


def _forget_soon(app: Flask) -> None:
    found = get_state(app).readiness
    assert found is not None
    found._database._fresh_seconds = 0
