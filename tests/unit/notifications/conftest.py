"""An application with notifications."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from taskadmin.jobs import registry
from taskadmin.notifications import Notifications


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the job that delivers messages at a test's end."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))


@pytest.fixture
def notifying(app: Flask) -> Flask:
    """It, outside of a context."""
    Notifications().init_app(app)
    return app


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """Its context."""
    Notifications().init_app(app)
    with app.app_context():
        yield app
