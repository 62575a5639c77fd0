"""Remove a test's jobs afterwards."""

from __future__ import annotations

import pytest

from taskadmin.jobs import registry


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
