"""Missed slots found by a turn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.ledger.turns import make_turn
from taskadmin.models import Launch, LaunchState, LedgerState
from taskadmin.queue.launcher.steps.missed_slots import record_missed
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now


@pytest.mark.parametrize(
    ("policy", "missed", "late"), [("skip", 3, 0), ("run_once", 2, 1), ("run_all", 0, 3)]
)
def test_slots_are_missed_or_launched_late(
    session: Session, caplog: pytest.LogCaptureFixture, policy: Any, missed: int, late: int
) -> None:
    """By the setting; the log has their number."""
    settings = Settings(
        launch_interval_seconds=60, missed_slots=policy, missed_slot_grace_seconds=3600
    )
    state = session.get_one(LedgerState, 1)
    state.interval_seconds = 60.0
    state.slots_upto = now(session).replace(second=0, microsecond=0) - timedelta(minutes=4)
    session.commit()
    turn = make_turn(session, settings)
    record_missed(turn)
    states = session.scalars(select(Launch.state)).all()
    assert (states.count(LaunchState.MISSED), states.count(LaunchState.OPENING)) == (missed, late)
    assert turn.report.missed == missed
    assert f"recorded {missed} slots as missed, launching {late} late" in caplog.text
