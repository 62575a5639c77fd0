"""R1: take runs back from gone processes.

A process is gone when it was marked gone, or sent no heartbeat for a lease while launchers watched
without a gap.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from ....store.upkeep import processes, recovery
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.reconciler")


def take_runs_back(turn: TurnContext) -> None:
    """Queue their runs again, or fail runs without attempts left."""
    session, settings = turn.session, turn.settings
    if turn.watch.whole_lease:
        gone = processes.expire(session, timedelta(seconds=settings.lease_seconds))
        if gone:
            log.warning("Marked %d processes without heartbeats as gone", gone)
    back = recovery.take_back(session, lost_attempts=settings.lost_attempts)
    if back.queued or back.failed:
        log.warning(
            "Processes are gone: queued %d of their runs again, failed %d for good",
            back.queued,
            back.failed,
        )
    turn.report.taken_back += back.queued
    turn.report.given_up += back.failed
