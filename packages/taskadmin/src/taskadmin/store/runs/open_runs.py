"""Read the unfinished runs that a message names."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    TextualSelect,
    and_,
    bindparam,
    column,
    or_,
    select,
)
from sqlalchemy.orm import Session

from ...models import RunState, TaskResult
from ..database.clock import database_now
from ..database.schema import table_prefix, text_with
from ..database.transaction import end_reading, single_reading
from .outcome_columns import as_array

# Statements that each run needs use the table's columns and are built once where possible: building
# one from the mapped class each time takes longer than executing it.
RUN_TABLE = cast("Table", TaskResult.__table__)
RUN = RUN_TABLE.c


class OpenRun(NamedTuple):
    """A run that may be executed now."""

    id: int
    due_at: datetime
    task_id: int
    launch_id: int
    job: str
    queue: str
    task_params: dict[str, Any]
    attempts: int
    max_attempts: int
    publishes: int
    #: Set if an earlier delivery had the run; that one may still record an outcome.
    token: UUID | None


def is_due() -> ColumnElement[bool]:
    """Return a condition for queued runs that are due; every reader of queued runs needs it."""
    return or_(RUN.not_before.is_(None), RUN.not_before <= database_now())


TOKEN = bindparam("token", type_=RUN.token.type)
IS_OPEN_RUN = or_(
    and_(RUN.state == RunState.QUEUED, is_due()),
    and_(RUN.state == RunState.RUNNING, RUN.token == TOKEN),
)
_OPEN_RUN_COLUMNS = tuple(RUN[name] for name in OpenRun._fields)
_SELECT_OPEN = select(*_OPEN_RUN_COLUMNS).where(
    RUN.id.in_(bindparam("ids", expanding=True)), IS_OPEN_RUN
)


@cache
def _of_launches(prefix: str) -> TextualSelect:
    """Return a statement that reads one text for all runs of a launch.

    That is several times as fast as ten columns for each run.
    """
    return text_with(_OF_LAUNCHES, prefix).columns(
        RUN.due_at, RUN.launch_id, RUN.job, RUN.queue, column("runs", Text)
    )


_OF_LAUNCHES = """
    SELECT due_at, launch_id, job, queue, CAST(json_agg(json_build_array(
        id, task_id, task_params, attempts, max_attempts, publishes, token
    )) AS text) AS runs
    FROM {prefix}taskadmin_task_result
    WHERE id = ANY(CAST(:ids AS bigint[])) AND (
        state = 'queued' AND (not_before IS NULL OR not_before <= clock_timestamp())
        OR state = 'running' AND token = :token
    )
    GROUP BY due_at, launch_id, job, queue
    """


def read_open(
    session: Session, named: Collection[tuple[int, datetime]], token: UUID
) -> list[OpenRun]:
    """Return the runs of a message that are queued and due, or running under *token*, in its order.

    Ids alone could be reused by a restored database, so the due time must match too.
    Ends the transaction, so that none is open while jobs run.

    Args:
        named: Ids and due times from the message.
    """
    runs = {
        (run.id, run.due_at): run for run in _read(session, [run_id for run_id, _ in named], token)
    }
    return [runs[key] for key in named if key in runs]


def _read(session: Session, ids: Collection[int], token: UUID) -> Iterable[OpenRun]:
    if session.get_bind().dialect.name == "postgresql":
        # One invalid value makes the text of all runs unreadable.
        with contextlib.suppress(ValueError, RecursionError):
            return _read_text(session, ids, token)
    runs = [OpenRun(*row) for row in session.execute(_SELECT_OPEN, {"ids": ids, "token": token})]
    end_reading(session)
    return runs


def _read_text(session: Session, ids: Collection[int], token: UUID) -> list[OpenRun]:
    statement = _of_launches(table_prefix(session))
    with single_reading(session) as database:
        rows = database.execute(statement, {"ids": as_array(ids), "token": token}).all()
    return [
        OpenRun._make(
            (run_id, due_at, task_id, launch_id, job, queue, params, *numbers, old and UUID(old))
        )
        for due_at, launch_id, job, queue, runs in rows
        for run_id, task_id, params, *numbers, old in json.loads(runs)
    ]
