"""Fixtures for hosts' calls of ``taskadmin.service``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from pydantic import SecretStr

from fixture_types import MakeTask
from taskadmin.jobs import job, registry


@pytest.fixture(autouse=True)
def own_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job for these tests only."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="mail")
    def mail(to: str, password: SecretStr, copies: int = 1) -> None:
        """Send a mail."""


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The host's application context."""
    with app.app_context():
        yield app


@pytest.fixture
def mail(make_task: MakeTask) -> int:
    """The id of a task called Mail."""
    return make_task(name="Mail", job="mail", params={"to": "ana", "password": "hunter22"}).id
