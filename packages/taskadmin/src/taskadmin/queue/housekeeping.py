"""What is too old goes away: a little on every tick, in small transactions."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy.orm import Session

from ..settings import Settings
from ..store import minute_counts, processes, pruning
from ..store.ledger_state import Watch

log = logging.getLogger("taskadmin.launcher")

#: Seconds of one turn that go into pruning at most.
SECONDS = 2.0


def keep_house(session: Session, settings: Settings, watch: Watch) -> int:
    """R6: prune for a short while, and count minutes; returns how many rows went."""
    deadline = time.monotonic() + SECONDS
    pruned = 0
    while time.monotonic() < deadline:
        deleted = pruning.prune_deleted(session)
        if not deleted and settings.result_retention_days:
            retention = timedelta(days=settings.result_retention_days)
            deleted = pruning.prune_old(session, older_than=retention)
        if not deleted:
            break
        pruned += deleted
    # The first turn of a minute may come before the last one has settled, so it is asked each time.
    while minute_counts.count_minutes(session) and time.monotonic() < deadline:
        pass
    if watch.new_minute:
        processes.forget(session)
        while settings.results_per_task and time.monotonic() < deadline:
            deleted, all_tasks = pruning.prune_per_task(session, keep=settings.results_per_task)
            pruned += deleted
            if all_tasks:
                break
    if pruned:
        log.info("%d old rows are pruned", pruned)
    return pruned
