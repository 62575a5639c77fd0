"""Due tasks and their schedules as plain rows, for launchers.

Through the ORM, whose session tracks each object, a turn of 1,000 tasks takes 0.24 s of CPU
time instead of 0.09 s.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...models import MASKED, Task, TaskSchedule, stored_arguments
from ..database.dialect import is_one_of


class DueTask(NamedTuple):
    """The columns of ``Task`` that a run is made of."""

    id: int
    job: str
    lower_limit: float | None
    upper_limit: float | None
    params: dict[str, Any]
    enabled: bool
    created_by: int

    @property
    def arguments(self) -> dict[str, Any]:
        """Like ``Task.arguments``."""
        return stored_arguments(self.job, self.lower_limit, self.upper_limit, self.params)

    @property
    def masked(self) -> list[str]:
        """Like ``Task.masked``."""
        return list(self.params.get(MASKED, ()))


@dataclass(slots=True)
class DueSchedule:
    """The columns of ``TaskSchedule``; the launcher updates the last six."""

    task_id: int
    kind: str
    every_seconds: int | None
    cron: str | None
    zone: str
    once_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    max_runs: int | None
    missed_runs: str
    grace_seconds: int
    overlap: str
    jitter_seconds: int
    next_due: datetime | None
    last_due: datetime | None
    runs: int
    current_run_id: int | None
    waiting_run_id: int | None
    error: str | None


_OF_TASKS = [getattr(Task, name) for name in DueTask._fields]
_OF_SCHEDULES = [getattr(TaskSchedule, field.name) for field in fields(DueSchedule)]


def lock_due_schedules(session: Session, moment: datetime, *, limit: int) -> list[DueSchedule]:
    """Lock the longest due schedules, skipping those that other launchers have locked."""
    rows = session.execute(
        select(*_OF_SCHEDULES)
        .where(TaskSchedule.next_due <= moment)
        .order_by(TaskSchedule.next_due)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [DueSchedule(*row) for row in rows]


def lock_tasks(session: Session, task_ids: Collection[int]) -> dict[int, DueTask]:
    """Return the tasks that aren't deleted, and lock them against deletion like a slot's pages."""
    rows = session.execute(
        select(*_OF_TASKS)
        .where(is_one_of(session, Task.id, task_ids), Task.deleted_at.is_(None))
        .order_by(Task.id)
        .with_for_update(read=True, key_share=True)
    )
    return {row.id: DueTask(*row) for row in rows}
