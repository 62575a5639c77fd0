"""Fixtures for tests of launches."""

from __future__ import annotations

import pytest

from fixture_types import MakeTask


@pytest.fixture
def task_id(make_task: MakeTask) -> int:
    """A task for all runs."""
    return make_task().id
