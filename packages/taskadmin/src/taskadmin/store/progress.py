"""What jobs say while they run: written beside their own transactions, read by pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from ..jobs import Progress
from ..models import RunProgress, RunState, TaskResult
from .clock import now
from .dialect import insert_with_conflicts
from .transaction import ledger_transaction

#: How long a job is held up at most where SQLite's one writer is somebody else, who may be
#: the job itself.
_BUSY_MILLISECONDS = 200


def earlier_progress(session: Session, run_id: int) -> Progress | None:
    """What earlier attempts of a run said; None if they said nothing."""
    lines = session.execute(
        select(RunProgress.lines).where(RunProgress.result_id == run_id)
    ).scalar_one_or_none()
    session.rollback()
    if lines is None:
        return None
    return Progress(lines=[(moment, attempt, text) for moment, attempt, text in lines])


def save_progress(session: Session, run_id: int, token: UUID | None, said: Progress) -> bool:
    """Store what a run says, over a connection of its own; False if the run isn't *token*'s.

    The job may have a transaction open in the session, which is the host's: it is left alone.

    Args:
        token: Of the claim; None for a run that is executed unclaimed.
        said: Everything so far; it takes the place of what was stored.
    """
    with (
        session.get_bind().engine.connect() as connection,
        _in_no_hurry(connection),
        Session(connection) as own,
        ledger_transaction(own),
    ):
        mine = (
            (TaskResult.state == RunState.QUEUED, TaskResult.attempts == 0)
            if token is None
            else (TaskResult.state == RunState.RUNNING, TaskResult.token == token)
        )
        found = own.scalar(select(TaskResult.id).where(TaskResult.id == run_id, *mine))
        if found is None:
            return False
        insert = insert_with_conflicts(own, RunProgress.__table__)
        values = {
            "progress": said.progress,
            "lines": [list(line) for line in said.lines],
            "updated_at": now(own),
        }
        own.execute(
            insert.values(result_id=run_id, **values).on_conflict_do_update(
                index_elements=[RunProgress.result_id],
                set_={name: insert.excluded[name] for name in values},
            )
        )
    return True


@contextmanager
def _in_no_hurry(connection: Connection) -> Iterator[None]:
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    connection.rollback()  # the session begins its own transaction, which it then ends, too
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(before)}")


def find_progress(session: Session, run_ids: Sequence[int]) -> dict[int, RunProgress]:
    """What these runs have said, by id."""
    rows = session.scalars(
        select(RunProgress)
        .where(RunProgress.result_id.in_(run_ids))
        .execution_options(populate_existing=True)
    )
    return {row.result_id: row for row in rows}
