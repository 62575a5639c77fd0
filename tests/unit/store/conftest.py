"""Fixtures for the tests of the store."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.runs import queue


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run, due at DUE, of launch 5."""
    return queue(session, make_task().id)
