"""``/healthz`` and ``/readyz``."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, event

from fixture_types import CountQueries
from services.servers.databases import dispose_engines
from taskadmin import Models, RegistrationError
from taskadmin.health import blueprint
from taskadmin.state import get_state

READYZ = "/taskadmin/readyz"


def test_healthz_depends_on_nothing(app: Flask, count_queries: CountQueries) -> None:
    """It succeeds if this process responds, whatever else is down."""
    with count_queries() as statements:
        answer = app.test_client().get("/taskadmin/healthz")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert statements == []


@pytest.mark.parametrize("path", ["/taskadmin/healthz", READYZ])
def test_answers_are_for_programs_that_come_often(client: FlaskClient, path: str) -> None:
    """No log in, no cookies, no caching, and only reading methods."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    head = client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = client.open(path, method=method)
        assert (refused.status_code, refused.mimetype) == (405, "application/problem+json")


@pytest.mark.databases("sqlite")
def test_without_a_task_queue_there_is_no_broker_to_wait_for(database_url: URL) -> None:
    """As in a host that only shows pages and registers the endpoints itself."""
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


def test_without_models_it_names_the_missing_call() -> None:
    """On registration of the blueprint."""
    with pytest.raises(RegistrationError, match="taskadmin isn't initialized on 'shop'"):
        Flask("shop").register_blueprint(blueprint)


@pytest.mark.databases("sqlite")
def test_two_prefixes_share_their_results(app: Flask) -> None:
    """The site also has the endpoints at its root."""
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
