"""What pages tell of runs beside their own rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..models import RunState, Task, TaskResult
from . import audit
from .audit import Filter


class Retry(NamedTuple):
    """A run that somebody started as a retry of another one."""

    id: int
    state: RunState
    #: Who wanted it.
    actor: str


def retries_of(session: Session, run_id: int, *, limit: int = 20) -> list[Retry]:
    """The retries of a run that are still there, the newest first; two queries.

    Found in the audit trail, which has an index for this, and the results haven't.
    """
    which = Filter(action="retried", subject_kind="run", subject_id=run_id)
    wanted = {
        entry.after["run"]: entry.actor
        for entry in audit.page(session, which, limit=limit)
        if entry.after and isinstance(entry.after.get("run"), int)
    }
    if not wanted:
        return []
    rows = session.execute(
        select(TaskResult.id, TaskResult.state)
        .where(TaskResult.id.in_(wanted))
        .order_by(TaskResult.id.desc())
    )
    return [Retry(row.id, RunState(row.state), wanted[row.id]) for row in rows]


def count_by_state(session: Session, run_ids: Collection[int]) -> dict[RunState, int]:
    """How many of these runs are in which state; those of deleted tasks are left out."""
    rows = session.execute(
        select(TaskResult.state, func.count())
        .join(TaskResult.task)
        .where(TaskResult.id.in_(run_ids), Task.deleted_at.is_(None))
        .group_by(TaskResult.state)
    )
    return {RunState(state): count for state, count in rows}


def run_of_launch(session: Session, launch_id: int) -> int | None:
    """The run of a launch that has one; None if it has none or several."""
    ids = session.scalars(
        select(TaskResult.id).where(TaskResult.launch_id == launch_id).limit(2)
    ).all()
    return ids[0] if len(ids) == 1 else None


def reasons_of_skips(session: Session, launch_ids: Collection[int]) -> Sequence[tuple[str, int]]:
    """Why runs of these launches were skipped, with how many each, the most frequent first."""
    rows = session.execute(
        select(TaskResult.reason, func.count().label("number"))
        .where(TaskResult.launch_id.in_(launch_ids), TaskResult.state == RunState.SKIPPED)
        .group_by(TaskResult.reason)
        .order_by(func.count().desc(), TaskResult.reason)
    )
    return [(reason or "", number) for reason, number in rows]
