"""Fixtures for tests of Celery's configuration."""

from __future__ import annotations

import pytest

from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB, registry


@pytest.fixture(autouse=True)
def only_the_built_in_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide jobs of other tests, which have their own queues."""
    name = GENERATE_RANDOM_NUMBER_JOB.name
    monkeypatch.setattr(registry, "_jobs", {name: GENERATE_RANDOM_NUMBER_JOB})
