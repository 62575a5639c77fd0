"""Fixtures for tests of the site."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from services.logs import Log
from taskadmin_site.logs.formats import make_json_formatter
from taskadmin_site.web import request_id

SITE = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def environment() -> dict[str, str]:
    """A complete environment with strong secrets."""
    return {
        "SECRET_KEY": "KSlMzpmC3zWlf6P8sBSCmvNAVgqxcuhK",
        "POSTGRES_USER": "pia",
        "POSTGRES_PASSWORD": "p@ss%w/ord$:#1",
        "POSTGRES_DB": "tasks",
        "POSTGRES_HOST": "db:5432",
        "RABBITMQ_USERNAME": "rabbit",
        "RABBITMQ_PASSWORD": "r@b%b/it$:#2",
        "RABBITMQ_VHOST": "a/b",
        "RABBITMQ_HOST": "mq:5672",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": "300",
    }


@pytest.fixture
def example_environment() -> dict[str, str]:
    """The variables of ``dockr/.env.example``."""
    lines = (SITE / "dockr" / ".env.example").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)


@pytest.fixture
def json_log() -> Log:
    """A log in JSON."""
    return Log(make_json_formatter())


@pytest.fixture
def site() -> Flask:
    """An application with request ids."""
    app = Flask("site")
    request_id.init_app(app)
    return app


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    """Restore pytest's logging after a test that configures it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("celery.app.trace", "celery.worker.strategy", "celery.beat", "alembic.runtime.plugins")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
