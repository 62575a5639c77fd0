"""What tests of the site share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

SITE = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def environment() -> dict[str, str]:
    """A complete environment without a weakness."""
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
    """What ``dockr/.env.example`` says."""
    lines = (SITE / "dockr" / ".env.example").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    """Loggers as pytest has set them up, after a test that configures logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("celery.app.trace", "celery.worker.strategy", "celery.beat", "alembic.runtime.plugins")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
