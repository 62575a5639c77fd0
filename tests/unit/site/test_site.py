"""The Flask application of the site."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event

from taskadmin import ConfigurationError
from taskadmin.state import get_state
from taskadmin_site import create_app

pytestmark = pytest.mark.usefixtures("_restored_logging")


@pytest.fixture
def site(tmp_path: Path) -> Flask:
    """The site with a given configuration instead of the environment's."""
    return create_app(
        {
            "SECRET_KEY": "KSlMzpmC3zWlf6P8sBSCmvNAVgqxcuhK",
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'site.sqlite'}",
            "CELERY": {"broker_url": "memory://"},
        }
    )


def test_configuration_comes_from_the_environment(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a given configuration, the site reads the environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE", "77")

    state = get_state(create_app())

    assert state.settings.launch_interval_seconds == 77
    assert state.celery is not None
    assert state.celery.conf.broker_url.startswith("amqp://rabbit:")


def test_missing_environment_stops_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site doesn't start with missing variables."""
    for name in environment:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigurationError, match="SECRET_KEY is missing"):
        create_app()


def test_front_page_leads_to_the_tasks(site: Flask) -> None:
    """The root redirects to the tasks."""
    answer = site.test_client().get("/")

    assert answer.status_code == 302
    assert answer.location.startswith("/taskadmin")


def test_health_check_needs_no_database(site: Flask) -> None:
    """It reports on this process only; the database has its own health check."""
    with site.app_context():
        db = get_state().db
        assert db is not None
        event.listen(db.engine, "do_connect", _refuse)

    answer = site.test_client().get("/healthz")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_readiness_is_at_the_root_too(site: Flask) -> None:
    """An empty database isn't ready, and the response says how to upgrade it."""
    answer = site.test_client().get("/readyz")

    assert answer.status_code == 503
    assert "flask taskadmin db upgrade" in answer.get_json()["checks"]["migrations"]["detail"]


def _refuse(*_: object) -> None:
    raise AssertionError("the database was asked")


def test_session_cookie_is_the_pages_own(site: Flask) -> None:
    """Scripts can't read the cookie, and other sites' forms don't send it."""
    assert site.config["SESSION_COOKIE_HTTPONLY"] is True
    assert site.config["SESSION_COOKIE_SAMESITE"] == "Lax"


def test_edited_templates_show(site: Flask) -> None:
    """An edited template is reloaded."""
    assert site.jinja_env.auto_reload is True
