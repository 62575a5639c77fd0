"""Close launches whose runs have finished."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ...models import Launch, LaunchState, RunState, TaskResult
from ..database.clock import database_now
from ..database.transaction import changed_rows, end_reading, ledger_transaction, reading
from .launches import IS_OPEN_LAUNCH

#: Pages count the runs of launches up to this size; counts of larger ones are stored on closing.
SMALL_LAUNCH = 5_000
#: States that a launch's row has a column for, besides skipped, which the launcher counts.
KEPT_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
#: Maximum launches closed in one turn.
_MAX_CLOSED = 1_000
#: Seconds after which a turn counts no further launch, and timeout of one count: 100,000 runs take
#: 70 ms.
_COUNTING_SECONDS, _TIMEOUT_SECONDS = 1.0, 5.0

log = logging.getLogger("taskadmin.launcher")


def close_finished(session: Session, *, now: Callable[[], float] = time.monotonic) -> int:
    """Close published launches without open runs, and return how many were closed.

    The counts of a large launch's runs are stored in its row, so closing it may wait for another
    turn. If counting fails, the launch is closed without counts, and pages estimate them.

    Args:
        now: A monotonic clock, in seconds.
    """
    due = session.execute(_due()).all()
    end_reading(session)
    if not due:
        return 0
    moment = due[0].moment
    small = [row.id for row in due if row.runs <= SMALL_LAUNCH]
    closed = _close(session, small, moment) if small else 0
    begun = now()
    for row in due:
        if row.runs > SMALL_LAUNCH:
            closed += _close(session, [row.id], moment, _count(session, row.id))
            if now() - begun >= _COUNTING_SECONDS:
                break
    return closed


def _due() -> Select[*tuple[object, ...]]:
    """Select the launches that can be closed, with their number of runs and the time."""
    open_run = (
        select(TaskResult.id)
        .where(TaskResult.launch_id == Launch.id, TaskResult.finished_at.is_(None))
        .exists()
    )
    return (
        select(
            Launch.id,
            (Launch.queued + Launch.skipped).label("runs"),
            database_now().label("moment"),
        )
        .where(IS_OPEN_LAUNCH, Launch.state == LaunchState.PUBLISHED, ~open_run)
        .order_by(Launch.id)
        .limit(_MAX_CLOSED)
    )


def _count(session: Session, launch_id: int) -> Mapping[str, int]:
    """Count a launch's runs by the name of the state's column; return {} if that fails."""
    query = (
        select(TaskResult.state, func.count().label("runs"))
        .where(TaskResult.launch_id == launch_id)
        .group_by(TaskResult.state)
    )
    try:
        with reading(session, seconds=_TIMEOUT_SECONDS):
            counts = {row.state: row.runs for row in session.execute(query)}
    except DBAPIError as error:
        # A failed count must not keep the launch open. If the database is unreachable, closing it
        # raises again.
        log.warning("Can't count the runs of launch %d: %s", launch_id, error.orig)
        return {}
    return {state.value: counts.get(state, 0) for state in KEPT_STATES}


def _close(
    session: Session,
    launch_ids: Collection[int],
    moment: datetime,
    counts: Mapping[str, int] | None = None,
) -> int:
    with ledger_transaction(session):
        return changed_rows(
            session,
            update(Launch)
            .where(Launch.id.in_(launch_ids), Launch.state == LaunchState.PUBLISHED)
            .values(state=LaunchState.CLOSED, closed_at=moment, **(counts or {})),
        )
