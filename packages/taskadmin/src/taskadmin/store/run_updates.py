"""What claimed and unclaimed runs are changed with.

Every UPDATE names the state and the token it expects; whoever comes second
changes 0 rows. That makes repeated messages, late writers and repeated
statements harmless.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Table, select, update
from sqlalchemy.orm import Session

from ..models import RunState, TaskResult
from .outcome import Outcome

#: Attempts that a run's log keeps, the newest ones.
LOG_LENGTH = 20
#: Longest error text of one attempt in the log, in characters; the run itself keeps more.
LOG_ERROR_LENGTH = 2_000

# Statements of every run are made of the table's columns, once where that can be: to make one
# of the mapped class's, each time, takes longer than the database does.
RUNS = cast("Table", TaskResult.__table__)
RUN = RUNS.c

#: Columns that an outcome fills as it is.
OUTCOME = ("worker", "result", "output", "error_type", "error")


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    """What an outcome fills as it is, by column."""
    return {name: getattr(outcome, name) for name in OUTCOME}


def log_entry(
    attempt: int, started_at: datetime | None, ended_at: datetime, outcome: Outcome
) -> dict[str, Any]:
    """One attempt in a run's log; times are ISO 8601 in UTC."""
    return {
        "attempt": attempt,
        "started_at": started_at and started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "worker": outcome.worker,
        "error_type": outcome.error_type,
        "error": outcome.error and outcome.error[-LOG_ERROR_LENGTH:],
    }


def update_run(session: Session, which: ColumnElement[bool], **values: Any) -> bool:
    """Change the one run that *which* means; False if it doesn't mean any."""
    statement = update(RUNS).where(which).values(**values)
    done: CursorResult[Any] = session.execute(statement)  # type: ignore[assignment]
    return done.rowcount == 1


def is_recorded(session: Session, run_id: int, token: UUID) -> bool:
    """Whether this very delivery finished the run: its statement was repeated."""
    found = session.execute(
        select(TaskResult.id).where(
            TaskResult.id == run_id,
            TaskResult.token == token,
            TaskResult.state.in_([RunState.SUCCEEDED, RunState.FAILED]),
        )
    ).scalar()
    session.rollback()
    return found is not None
