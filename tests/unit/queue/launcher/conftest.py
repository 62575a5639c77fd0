"""Fixtures for tests of turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery import Celery
from sqlalchemy.orm import Session

from services.ledger.turns import DAY
from taskadmin.queue.launcher import turns
from taskadmin.queue.launcher.turn_context import TurnReport
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.settings import Settings


@pytest.fixture
def turn(
    session: Session, celery: Celery, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TurnReport]:
    """Run a turn to its end, even on a busy machine."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 120.0)

    def do(settings: Settings = DAY) -> TurnReport:
        done = run_turn(session, celery, settings)
        session.expire_all()
        return done

    return do
