"""Progress of running jobs: stored outside of their transactions, read by pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from ...jobs import Progress
from ...models import RunProgress, RunState, TaskResult
from ..database.clock import now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import ledger_transaction

#: Maximum time to wait for SQLite's only writer, which may be the job's own transaction.
_BUSY_MILLISECONDS = 200


def earlier_progress(session: Session, run_id: int) -> Progress | None:
    """Return the progress of earlier attempts of a run, or None."""
    lines = session.execute(
        select(RunProgress.lines).where(RunProgress.run_id == run_id)
    ).scalar_one_or_none()
    session.rollback()
    if lines is None:
        return None
    return Progress(lines=[(moment, attempt, text) for moment, attempt, text in lines])


def save_progress(session: Session, run_id: int, token: UUID | None, reported: Progress) -> bool:
    """Store a run's progress over a separate connection; return False if *token* lost the run.

    The job may have a transaction open in the host's session, so that one isn't touched.

    Args:
        token: The claim's token; None for a run that isn't claimed.
        reported: All progress so far; it replaces what was stored.
    """
    with (
        session.get_bind().engine.connect() as connection,
        _short_busy_timeout(connection),
        Session(connection) as own,
        ledger_transaction(own),
    ):
        mine = (
            (TaskResult.state == RunState.QUEUED, TaskResult.attempts == 0)
            if token is None
            else (TaskResult.state == RunState.RUNNING, TaskResult.token == token)
        )
        owned_id = own.scalar(select(TaskResult.id).where(TaskResult.id == run_id, *mine))
        if owned_id is None:
            return False
        insert = insert_with_conflicts(own, RunProgress.__table__)
        values = {
            "progress": reported.progress,
            "lines": [list(line) for line in reported.lines],
            "updated_at": now(own),
        }
        own.execute(
            insert.values(run_id=run_id, **values).on_conflict_do_update(
                index_elements=[RunProgress.run_id],
                set_={name: insert.excluded[name] for name in values},
            )
        )
    return True


@contextmanager
def _short_busy_timeout(connection: Connection) -> Iterator[None]:
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    connection.rollback()  # so that the session begins and ends its own transaction
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(before)}")


def find_progress(session: Session, run_ids: Sequence[int]) -> dict[int, RunProgress]:
    """Return the progress of these runs by id."""
    rows = session.scalars(
        select(RunProgress)
        .where(RunProgress.run_id.in_(run_ids))
        .execution_options(populate_existing=True)
    )
    return {row.run_id: row for row in rows}
