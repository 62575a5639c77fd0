"""``/healthz`` and ``/readyz``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, create_engine, event, text
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeApp
from services.databases import dispose_engines
from taskadmin import Models, RegistrationError, migrations
from taskadmin.health import blueprint, readiness
from taskadmin.migrations import newest_revision
from taskadmin.models import Process, ProcessKind
from taskadmin.state import get_state

READYZ = "/taskadmin/readyz"


def _celery(broker_url: str) -> dict[str, Any]:
    return {"broker_url": broker_url, "result_backend": "disabled://"}


def _unready(app: Flask) -> dict[str, str]:
    """What isn't ready, in words, while the answer comes soon."""
    begun = time.monotonic()
    answer = app.test_client().get(READYZ)
    assert time.monotonic() - begun < 3
    assert answer.status_code == 503
    assert answer.get_json()["ready"] is False
    checks = answer.get_json()["checks"]
    return {name: check["detail"] for name, check in checks.items() if not check["ok"]}


def test_healthz_asks_nobody(app: Flask, count_queries: CountQueries) -> None:
    """It says that this process answers, whatever else is down."""
    with count_queries() as statements:
        answer = app.test_client().get("/taskadmin/healthz")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert statements == []


@pytest.mark.parametrize("path", ["/taskadmin/healthz", READYZ])
def test_answers_are_for_programs_that_come_often(client: FlaskClient, path: str) -> None:
    """No log in, no cookie, nothing kept by caches, and nothing but reading."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    head = client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert client.open(path, method=method).status_code == 405


def test_ready(rabbit_app: Flask) -> None:
    """Database, schema and a real broker are there; no beat has ever run."""
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


def test_beat_that_is_late_is_told_and_doesnt_matter(
    client: FlaskClient, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """A web process that is well isn't taken out because beat is down."""
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
    """What counts is a beat that may still be there."""
    process = add_process(ProcessKind.BEAT)
    process.gone_at, process.ending = process.seen_at, "stopped"  # type: ignore[assignment]
    session.commit()

    assert client.get(READYZ).get_json()["beat"]["seen_seconds_ago"] is None


def test_schema_that_is_behind_isnt_ready(make_app: MakeApp, empty_database_url: URL) -> None:
    """With the command; beat isn't looked for in tables that may not be there."""
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
    """While a new version is rolled out, the old one's processes stay in service."""
    session.execute(text(f"UPDATE taskadmin_alembic_version SET version_num = '{revision}'"))
    session.commit()

    assert client.get(READYZ).get_json()["ready"] is ready


@pytest.mark.databases("postgresql")
def test_database_that_refuses(
    make_app: MakeApp, database_url: URL, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """General words for everybody, the driver's for the log, once."""
    away = database_url.set(host="127.0.0.1", port=free_port, password="s3cret-word")
    app = make_app(SQLALCHEMY_DATABASE_URI=away)

    assert _unready(app) == {
        "database": "The database can't be reached.",
        "migrations": "Not checked, without the database.",
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
    """Soon, though the host's own time limit for connecting is longer; then at once."""
    away = database_url.set(host="127.0.0.1", port=silent_port)
    options = {"connect_args": {"connect_timeout": 4}}
    app = make_app(SQLALCHEMY_DATABASE_URI=away, SQLALCHEMY_ENGINE_OPTIONS=options)

    assert _unready(app)["database"] == "The database doesn't answer."
    begun = time.monotonic()
    _unready(app)
    assert time.monotonic() - begun < 0.5


@pytest.mark.databases("sqlite")
def test_database_file_that_is_none(make_app: MakeApp, tmp_path: Any) -> None:
    """Whatever the database says, it is a reason."""
    file = tmp_path / "text.sqlite"
    file.write_text("This is no database. " * 100)

    app = make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{file}")

    assert _unready(app)["database"] == "The database can't be used."


@pytest.mark.databases("postgresql")
def test_database_that_goes_and_comes_back(
    make_app: MakeApp, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections that died are replaced; the log says when it is back."""
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
    """Beat never makes it unready, not even when its table is locked."""
    monkeypatch.setattr(readiness, "_ROWS_SECONDS", 0.2)
    session.execute(text("LOCK TABLE taskadmin_process"))

    answer = client.get(READYZ)

    assert answer.status_code == 200
    assert answer.get_json()["beat"]["seen_seconds_ago"] is None


@pytest.mark.databases("sqlite")
def test_broker_that_refuses(make_app: MakeApp, free_port: int) -> None:
    """One sentence; the database is there."""
    app = make_app(CELERY=_celery(f"amqp://guest:guest@127.0.0.1:{free_port}//"))

    assert _unready(app) == {"broker": "The broker can't be reached."}


@pytest.mark.databases("sqlite")
def test_broker_that_never_answers(make_app: MakeApp, silent_port: int) -> None:
    """As soon as one that refuses, nearly."""
    app = make_app(CELERY=_celery(f"amqp://guest:guest@127.0.0.1:{silent_port}//"))

    assert _unready(app) == {"broker": "The broker can't be reached."}


@pytest.mark.databases("sqlite")
def test_broker_with_another_password(
    make_app: MakeApp, broker_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither answer nor log has it."""
    wrong = broker_url.replace("guest:guest", "guest:s3cret-word")
    app = make_app(CELERY=_celery(wrong))

    assert _unready(app) == {"broker": "The broker can't be reached."}
    assert "ACCESS_REFUSED" in caplog.text
    assert "s3cret-word" not in caplog.text


@pytest.mark.databases("sqlite")
def test_both_are_silent(
    make_app: MakeApp, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are waited for at the same time."""

    def hang(_: Flask) -> None:
        time.sleep(4)

    monkeypatch.setattr(migrations, "current_revision", hang)
    app = make_app(CELERY=_celery(f"amqp://127.0.0.1:{silent_port}//"))

    assert _unready(app).keys() == {"database", "migrations", "broker"}


@pytest.mark.databases("sqlite")
def test_burst_opens_one_connection(
    make_app: MakeApp, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor that asks too often, or somebody who means harm, costs next to nothing."""
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
def test_what_nobody_thought_of_is_a_reason_too(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback for everybody; the log has what it was."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("amqp://guest:s3cret-word@mq")

    monkeypatch.setattr(readiness, "try_broker", fail)

    assert _unready(make_app()) == {"broker": "The broker can't be asked; the log has the reason."}
    assert "RuntimeError" in caplog.text


@pytest.mark.databases("sqlite")
def test_without_a_task_queue_there_is_no_broker_to_wait_for(database_url: URL) -> None:
    """A host that only shows pages registers the endpoints by itself."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))
    app.register_blueprint(blueprint)

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json()["checks"]["broker"] == {
        "ok": True,
        "detail": "Not checked: this application has no task queue.",
    }
    dispose_engines(app)


def test_without_models_it_says_what_to_call() -> None:
    """When the blueprint is registered, not when it is asked."""
    with pytest.raises(RegistrationError, match="taskadmin isn't initialised on 'shop'"):
        Flask("shop").register_blueprint(blueprint)


@pytest.mark.databases("sqlite")
def test_two_prefixes_share_what_they_know(app: Flask) -> None:
    """The site has them at the root too."""
    app.register_blueprint(blueprint, name="health")
    seen = get_state(app).readiness
    connects: list[object] = []
    with app.app_context():
        db = get_state(app).db
        assert db is not None
        event.listen(db.engine, "checkout", lambda *_: connects.append(1))
    client = app.test_client()

    first = client.get("/readyz").get_json()
    asked = len(connects)

    assert client.get(READYZ).get_json() == first
    assert len(connects) == asked
    assert get_state(app).readiness is seen


def _forget_soon(app: Flask) -> None:
    found = get_state(app).readiness
    assert found is not None
    found._database._fresh_seconds = 0
