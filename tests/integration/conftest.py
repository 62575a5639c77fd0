"""Real workers and a real beat, over PostgreSQL and RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from services.processes import CeleryProcesses


@pytest.fixture
def host_config(database_url: URL, broker_url: str) -> dict[str, Any]:
    """Settings that the test's application and its processes share."""
    return {
        "SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False),
        "SECRET_KEY": "only for tests",
        "CELERY": {"broker_url": broker_url, "result_backend": "rpc://"},
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 86400,
        "TASKADMIN_TICK_SECONDS": 0.5,
    }


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Settings of the processes beside those of every test; a test gives its own."""
    return {}


@pytest.fixture
def processes(
    tmp_path: Path, host_config: dict[str, Any], more_settings: dict[str, Any]
) -> Iterator[CeleryProcesses]:
    """Starts Celery processes of the test's host."""
    celery = CeleryProcesses(tmp_path, {**host_config, **more_settings})
    yield celery
    celery.stop()
