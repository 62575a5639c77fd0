"""``/metrics``: who may read it, and what happens without database and broker."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeHost
from taskadmin import ConfigurationError, Metrics, Models, TaskAdmin
from taskadmin.errors import BrokerUnavailable
from taskadmin.state import QueueState, get_state

METRICS = "/taskadmin/metrics"
TOKEN = "a token for the tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

with_token = pytest.mark.settings(TASKADMIN_METRICS_TOKEN=TOKEN)


def give_queues(app: Flask, inspect: Callable[[], list[QueueState] | None]) -> None:
    """Replace the broker's answer."""
    get_state(app).inspect = inspect


@pytest.mark.databases("sqlite")
def test_without_a_setting_there_are_no_metrics(client: FlaskClient) -> None:
    """Whatever is sent."""
    assert client.get(METRICS, headers=BEARER).status_code == 404


@with_token
def test_the_token_opens_them(app: Flask, client: FlaskClient) -> None:
    """Without log in and cookies; no cache keeps them."""
    give_queues(app, lambda: [QueueState("taskadmin.runs", 4, 2)])

    answer = client.get(METRICS, headers=BEARER)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert 'taskadmin_queue_messages{queue="taskadmin.runs"} 4.0\n' in answer.text
    assert 'taskadmin_processes{kind="beat"} 0.0\n' in answer.text
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = client.open(METRICS, method=method, headers=BEARER)
        assert (refused.status_code, refused.text) == (405, "Send GET.\n")
        assert (refused.mimetype, refused.headers["Allow"]) == ("text/plain", "GET, HEAD")


@with_token
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "header", [None, "Bearer", f"Bearer {TOKEN}x", "Bearer ä", f"Basic {TOKEN}", TOKEN]
)
def test_anything_else_is_refused(
    client: FlaskClient, count_queries: CountQueries, header: str | None
) -> None:
    """Before the database is asked."""
    with count_queries() as statements:
        answer = client.get(METRICS, headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="taskadmin metrics"'
    assert "taskadmin_" not in answer.text
    assert statements == []


@with_token
@pytest.mark.databases("sqlite")
def test_a_superuser_needs_the_token_too(superuser: FlaskClient) -> None:
    """No session is accepted here, so that no page can make a browser read them."""
    assert superuser.get(METRICS).status_code == 401


@pytest.mark.databases("sqlite")
def test_a_host_may_have_its_own_rule(make_host: MakeHost) -> None:
    """Instead of the token, or besides it."""
    app, db = make_host()
    TaskAdmin().init_app(
        app, db=db, metrics_allowed=lambda: request.headers.get("From") == "inside"
    )
    client = app.test_client()

    assert client.get(METRICS).status_code == 403
    assert client.get(METRICS, headers={"From": "inside"}).status_code == 200


@pytest.mark.databases("sqlite")
def test_it_needs_only_models(database_url: URL) -> None:
    """An application without a task queue, at a prefix of its own."""
    app = Flask("shop")
    app.config.update(SQLALCHEMY_DATABASE_URI=database_url)
    Models().init_app(app, db=SQLAlchemy(app))
    Metrics().init_app(app, allowed=lambda: True, url_prefix="/internal/")

    answer = app.test_client().get("/internal/metrics")

    assert answer.status_code == 200
    assert "taskadmin_broker_up 0.0\n" in answer.text


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When metrics are switched on, not at the first request."""
    monkeypatch.delitem(sys.modules, "taskadmin.metrics.families", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    app = Flask("shop")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://")
    Models().init_app(app, db=SQLAlchemy(app))

    with pytest.raises(ConfigurationError, match=r"pip install 'taskadmin\[metrics\]'"):
        Metrics().init_app(app, allowed=lambda: True)


@with_token
@pytest.mark.databases("sqlite")
def test_without_the_broker_the_ledger_is_shown(app: Flask, client: FlaskClient) -> None:
    """And an alert can tell."""

    def away() -> list[QueueState]:
        raise BrokerUnavailable("no route to mq")

    give_queues(app, away)

    answer = client.get(METRICS, headers=BEARER)

    assert answer.status_code == 200
    assert "taskadmin_broker_up 0.0\n" in answer.text
    assert "no route" not in answer.text


@with_token
@pytest.mark.databases("sqlite")
def test_without_the_ledger_there_are_none(
    app: Flask, client: FlaskClient, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Prometheus counts the scrape as failed; details are in the log only."""
    give_queues(app, list)
    session.connection().exec_driver_sql("DROP TABLE taskadmin_run_total")
    session.commit()

    answer = client.get(METRICS, headers=BEARER)

    assert (answer.status_code, "run_total" in answer.text) == (503, False)
    assert "no such table: taskadmin_run_total" in caplog.text
