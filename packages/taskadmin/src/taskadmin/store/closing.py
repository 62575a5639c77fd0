"""The end of launches: none of their runs is open any more."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..models import Launch, LaunchState, RunState, TaskResult
from .clock import database_now
from .launches import IS_OPEN
from .transaction import end_reading, ledger_transaction, reading, took_too_long

#: Runs of a launch up to which pages count them; what became of those of larger ones is kept.
COUNTED = 5_000
#: Launches closed in a turn, and how many of them may be large: those are read whole, 70 ms for
#: 100,000 runs.
_CLOSED, _LARGE = 1_000, 10
#: A launcher has other things to do; what couldn't be counted is estimated by pages.
_SECONDS = 5.0
#: What a launch's row has a column for, beside the skipped ones, which the launcher counts.
COUNTED_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)

log = logging.getLogger("taskadmin.launcher")


def close_finished(session: Session) -> int:
    """Close published launches of which no run is open, and return how many were closed.

    What became of the runs of large ones is written into their rows.
    """
    open_run = (
        select(TaskResult.id)
        .where(TaskResult.launch_id == Launch.id, TaskResult.finished_at.is_(None))
        .exists()
    )
    due = (
        select(Launch.id, (Launch.queued + Launch.skipped).label("runs"))
        .where(IS_OPEN, Launch.state == LaunchState.PUBLISHED, ~open_run)
        .order_by(Launch.id)
        .limit(_CLOSED)
    )
    runs = {row.id: row.runs for row in session.execute(due)}
    end_reading(session)
    if not runs:
        return 0
    large = [launch_id for launch_id, number in runs.items() if number > COUNTED]
    counts = {launch_id: _count(session, launch_id) for launch_id in large[:_LARGE]}
    with ledger_transaction(session):
        closed = _close(session, runs.keys() - large, {})
        for launch_id, of_launch in counts.items():
            closed += _close(session, [launch_id], of_launch)
    return closed


def _count(session: Session, launch_id: int) -> Mapping[str, int]:
    """Runs in each state that is counted, by the column's name; nothing if that takes too long."""
    query = (
        select(TaskResult.state, func.count().label("runs"))
        .where(TaskResult.launch_id == launch_id)
        .group_by(TaskResult.state)
    )
    try:
        with reading(session, seconds=_SECONDS):
            found = {row.state: row.runs for row in session.execute(query)}
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        log.warning("Launch %d is closed without counts: its runs take too long", launch_id)
        return {}
    return {state.value: found.get(state, 0) for state in COUNTED_STATES}


def _close(session: Session, launch_ids: Collection[int], counts: Mapping[str, int]) -> int:
    if not launch_ids:
        return 0
    done: CursorResult[Any] = session.execute(
        update(Launch)
        .where(Launch.id.in_(sorted(launch_ids)), Launch.state == LaunchState.PUBLISHED)
        .values(state=LaunchState.CLOSED, closed_at=database_now(), **counts),
        execution_options={"synchronize_session": False},
    )  # type: ignore[assignment]
    return done.rowcount
