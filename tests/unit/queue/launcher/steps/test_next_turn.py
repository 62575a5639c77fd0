"""Turns that end early request the next one."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.messages import arguments_in, sent
from taskadmin.models import (
    Launch,
)
from taskadmin.queue import LAUNCH_QUEUE
from taskadmin.queue.launcher import turns


def test_a_turn_ends_in_time_and_asks_for_the_next(
    session: Session,
    celery: Celery,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The launcher has to reply to its broker, and continues without waiting for a tick."""
    for _ in range(5):
        make_task()
    monkeypatch.setattr(turns, "TURN_SECONDS", -1.0)

    first = turn()

    assert (first.opened, first.sent, first.finished) == (1, 0, 0)
    assert session.scalar(select(Launch.owner)) is None, "given back"
    assert arguments_in(celery, LAUNCH_QUEUE) == [[]]
    monkeypatch.setattr(turns, "TURN_SECONDS", 30.0)
    assert (turn().finished, len(sent(celery))) == (1, 5)
    assert arguments_in(celery, LAUNCH_QUEUE) == []
