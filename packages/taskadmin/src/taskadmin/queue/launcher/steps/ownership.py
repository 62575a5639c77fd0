"""R4: take and release launches: each belongs to one turn at a time."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from ....store.launches import launches, slots
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")


def take_launches(turn: TurnContext) -> None:
    """Take open launches that have no owner, or whose owner makes no progress."""
    ownership = timedelta(seconds=turn.settings.ownership_seconds)
    for launch in slots.resumable(turn.session):
        if launches.take(turn.session, launch.id, turn.owner, ownership):
            turn.launch_ids.append(launch.id)
            if launch.abandoned:
                turn.report.resumed += 1
                log.warning(
                    "Launch %d was abandoned by its launcher; this one continues it",
                    launch.id,
                    extra={"launch_id": launch.id},
                )


def release_launches(turn: TurnContext) -> None:
    """Release all launches, so that the next turn continues them at once."""
    turn.is_unfinished = bool(turn.launch_ids) and not turn.is_broker_down
    try:
        for launch_id in turn.launch_ids:
            launches.release(turn.session, launch_id, turn.owner)
    except SQLAlchemyError as error:
        # They can be taken when the ownership expires.
        log.warning("Can't release launches %s: %s", turn.launch_ids, error)
    turn.launch_ids.clear()
