"""Fixtures for the tests of the store."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import queue, register


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run, due at DUE, of launch 5."""
    return queue(session, make_task().id)


@pytest.fixture
def run_ids(session: Session, make_task: MakeTask) -> list[int]:
    """Three queued runs like it."""
    return [queue(session, make_task().id) for _ in range(3)]


@pytest.fixture
def process_id(session: Session) -> UUID:
    """A living process."""
    return register(session)


@pytest.fixture
def owner() -> UUID:
    """A launcher."""
    return uuid4()
