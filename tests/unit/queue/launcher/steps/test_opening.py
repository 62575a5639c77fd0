"""Slots are opened even if nothing can be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.turns import finish_runs
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import (
    Launch,
    LaunchState,
)
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.store.database.clock import now


def test_without_a_broker_the_rest_of_the_turn_is_done(
    session: Session,
    celery: Celery,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs are released and launches closed; only sending waits."""
    make_task()
    turn()
    finish_runs(session)

    def fail(*_: Any, **__: Any) -> None:
        raise BrokerUnavailable

    monkeypatch.setattr(Publisher, "start", fail)
    session.execute(update(Launch).values(slot=now(session) - timedelta(days=1)))
    session.commit()
    make_task()

    done = turn()

    assert (done.opened, done.sent, done.closed) == (1, 0, 1)
    assert session.scalars(select(Launch.state).order_by(Launch.id)).all() == [
        LaunchState.CLOSED,
        LaunchState.OPENING,
    ]
    assert session.scalars(select(Launch.owner)).all() == [None, None]
