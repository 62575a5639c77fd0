"""Request the next turn."""

from __future__ import annotations

import logging

from ....errors import BrokerUnavailable
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")


def request_next_turn(turn: TurnContext) -> None:
    """Publish a tick, instead of waiting for beat's."""
    try:
        turn.publisher.send_tick()
    except BrokerUnavailable as error:
        log.warning("Beat's next tick continues: %s", error)
