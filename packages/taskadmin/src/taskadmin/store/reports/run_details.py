"""Queries about runs beyond their own rows, for pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from ...models import RunState, Task, TaskResult
from ..people import audit
from ..people.audit import Filter
from ..runs.lists import was_retried


class Retry(NamedTuple):
    """A run that was started as a retry of another run."""

    id: int
    state: RunState
    #: Who started it.
    actor: str


def retries_of(session: Session, run_id: int, *, limit: int = 20) -> list[Retry]:
    """Return the existing retries of a run, newest first; two queries.

    They are read from the audit trail, which has an index for them; results have none.
    """
    which = Filter(action="retried", subject_kind="run", subject_id=run_id)
    actors = {
        entry.after["run"]: entry.actor
        for entry in audit.page(session, which, limit=limit)
        if entry.after and isinstance(entry.after.get("run"), int)
    }
    if not actors:
        return []
    rows = session.execute(
        select(TaskResult.id, TaskResult.state)
        .where(TaskResult.id.in_(actors))
        .order_by(TaskResult.id.desc())
    )
    return [Retry(row.id, RunState(row.state), actors[row.id]) for row in rows]


def count_runs_by_state(session: Session, run_ids: Collection[int]) -> dict[RunState, int]:
    """Count these runs by state, without those of deleted tasks."""
    rows = session.execute(
        select(TaskResult.state, func.count())
        .join(TaskResult.task)
        .where(TaskResult.id.in_(run_ids), Task.deleted_at.is_(None))
        .group_by(TaskResult.state)
    )
    return {RunState(state): count for state, count in rows}


def count_retried(session: Session, run_ids: Collection[int]) -> int:
    """Count the finished ones of these runs that were retried, without those of deleted tasks."""
    return session.scalars(
        select(func.count())
        .select_from(TaskResult)
        .join(TaskResult.task)
        .where(
            TaskResult.id.in_(run_ids),
            TaskResult.finished_at.is_not(None),
            Task.deleted_at.is_(None),
            was_retried(),
        )
    ).one()


def newest_finished(
    session: Session, run_ids: Collection[int], *, limit: int
) -> Sequence[TaskResult]:
    """Return the finished ones of these runs with their tasks, newest first."""
    return session.scalars(
        select(TaskResult)
        .join(TaskResult.task)
        .where(
            TaskResult.id.in_(run_ids),
            TaskResult.finished_at.is_not(None),
            Task.deleted_at.is_(None),
        )
        .order_by(TaskResult.id.desc())
        .limit(limit)
        .options(contains_eager(TaskResult.task))
    ).all()


def run_of_launch(session: Session, launch_id: int) -> int | None:
    """Return the id of a launch's only run; None if it has none or several."""
    ids = session.scalars(
        select(TaskResult.id).where(TaskResult.launch_id == launch_id).limit(2)
    ).all()
    return ids[0] if len(ids) == 1 else None


def reasons_of_skips(session: Session, launch_ids: Collection[int]) -> Sequence[tuple[str, int]]:
    """Return skip reasons of these launches with their counts, most frequent first."""
    rows = session.execute(
        select(TaskResult.reason, func.count().label("number"))
        .where(TaskResult.launch_id.in_(launch_ids), TaskResult.state == RunState.SKIPPED)
        .group_by(TaskResult.reason)
        .order_by(func.count().desc(), TaskResult.reason)
    )
    return [(reason or "", number) for reason, number in rows]
