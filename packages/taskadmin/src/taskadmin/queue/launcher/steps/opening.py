"""Open the slot that is due."""

from __future__ import annotations

import logging

from ....store.launches import slots
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")


def open_slot(turn: TurnContext) -> None:
    """Open it, unless another launcher did."""
    opened = slots.open_slot(turn.session, turn.settings.launch_interval_seconds)
    if opened is not None:
        turn.report.opened += 1
        log.info("Launch %d opened", opened, extra={"launch_id": opened})
