"""The end of launches: none of their runs is open any more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Select, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..models import Launch, LaunchState, RunState, TaskResult
from .clock import database_now
from .launches import IS_OPEN
from .transaction import end_reading, ledger_transaction, reading

#: Runs of a launch up to which pages count them; what became of those of larger ones is kept.
COUNTED = 5_000
#: What a launch's row has a column for, beside the skipped ones, which the launcher counts.
KEPT_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
#: Launches that are closed in a turn.
_MOST = 1_000
#: Seconds after which a turn counts no further launch, and that counting one may take: 100,000
#: runs take 70 ms. The launcher has other things to do.
_COUNTING, _PATIENCE = 1.0, 5.0

log = logging.getLogger("taskadmin.launcher")


def close_finished(session: Session, *, now: Callable[[], float] = time.monotonic) -> int:
    """Close published launches of which no run is open, and return how many were closed.

    What became of the runs of large ones is written into their rows, so these may wait for
    another turn. Where it can't be counted they are closed without; pages estimate it then.

    Args:
        now: A clock in seconds that never goes back.
    """
    due = session.execute(_due()).all()
    end_reading(session)
    if not due:
        return 0
    moment = due[0].moment
    small = [row.id for row in due if row.runs <= COUNTED]
    closed = _close(session, small, moment) if small else 0
    begun = now()
    for row in due:
        if row.runs > COUNTED:
            closed += _close(session, [row.id], moment, _count(session, row.id))
            if now() - begun >= _COUNTING:
                break
    return closed


def _due() -> Select[*tuple[Any, ...]]:
    """Launches that can be closed, with the number of their runs, and when this was so."""
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
        .where(IS_OPEN, Launch.state == LaunchState.PUBLISHED, ~open_run)
        .order_by(Launch.id)
        .limit(_MOST)
    )


def _count(session: Session, launch_id: int) -> Mapping[str, int]:
    """Runs in each state that is kept, by the column's name; nothing if they can't be counted."""
    query = (
        select(TaskResult.state, func.count().label("runs"))
        .where(TaskResult.launch_id == launch_id)
        .group_by(TaskResult.state)
    )
    try:
        with reading(session, seconds=_PATIENCE):
            found = {row.state: row.runs for row in session.execute(query)}
    except DBAPIError as error:
        # Counts are no reason to leave a launch open. Where the database is away, closing it
        # raises again.
        log.warning("The runs of launch %d can't be counted: %s", launch_id, error.orig)
        return {}
    return {state.value: found.get(state, 0) for state in KEPT_STATES}


def _close(
    session: Session,
    launch_ids: Collection[int],
    moment: datetime,
    counts: Mapping[str, int] | None = None,
) -> int:
    with ledger_transaction(session):
        done: CursorResult[Any] = session.execute(
            update(Launch)
            .where(Launch.id.in_(launch_ids), Launch.state == LaunchState.PUBLISHED)
            .values(state=LaunchState.CLOSED, closed_at=moment, **(counts or {})),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount
