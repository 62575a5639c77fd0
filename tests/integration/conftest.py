"""Real workers and a real beat, with PostgreSQL and RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import URL

from fixture_types import MakeApp
from services.servers.processes import CeleryProcesses


@pytest.fixture
def host_config(database_url: URL, broker_url: str) -> dict[str, Any]:
    """Settings of the test's application and its processes."""
    return {
        "SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False),
        "SECRET_KEY": "only for tests",
        "CELERY": {"broker_url": broker_url, "result_backend": "rpc://"},
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 86400,
        "TASKADMIN_TICK_SECONDS": 0.5,
    }


@pytest.fixture
def celery(make_app: MakeApp, host_config: dict[str, Any]) -> Celery:
    """The host's Celery application, in this process."""
    celery: Celery = make_app(**host_config).extensions["taskadmin"].celery
    return celery


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """The file to which jobs add a line for each call."""
    return tmp_path / "marks"


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Additional settings of the processes, overridden by tests."""
    return {}


@pytest.fixture
def processes(
    tmp_path: Path, host_config: dict[str, Any], more_settings: dict[str, Any]
) -> Iterator[CeleryProcesses]:
    """Start Celery processes of the test's host."""
    celery = CeleryProcesses(tmp_path, {**host_config, **more_settings})
    yield celery
    celery.stop()
