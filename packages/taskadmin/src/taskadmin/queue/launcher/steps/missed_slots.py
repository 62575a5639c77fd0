"""Record slots that weren't launched."""

from __future__ import annotations

import logging
from datetime import timedelta

from ....store.launches.missed import MissedSlots, record_missed_slots
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")


def record_missed(turn: TurnContext) -> None:
    """Record them as missed, or open some of them late, depending on the settings."""
    settings = turn.settings
    recorded = record_missed_slots(
        turn.session,
        settings.launch_interval_seconds,
        policy=MissedSlots(settings.missed_slots),
        grace=timedelta(seconds=settings.missed_slot_grace_seconds),
    )
    turn.report.missed = recorded.missed
    if recorded.missed or recorded.late:
        log.warning(
            "No launcher ran for a while: recorded %d slots as missed, launching %d late",
            recorded.missed,
            recorded.late,
        )
