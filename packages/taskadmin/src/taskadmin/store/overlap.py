"""Runs of one task that would overlap: let through, skipped, or one of them waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from ..models import Overlap, RunState, TaskResult, TaskSchedule
from .clock import now
from .transaction import end_reading, ledger_transaction

#: ``not_before`` of a run that waits for another one. SQLite has no infinity.
WAITING = datetime(9999, 1, 1, tzinfo=UTC)
#: Rows that one turn looks at.
LIMIT = 1_000


@dataclass(slots=True)
class Occupancy:
    """What is open of a task, while its schedule's row is locked."""

    overlap: Overlap
    current_run_id: int | None
    waiting_run_id: int | None
    #: As long as a run has no id yet.
    current: bool
    waiting: bool

    def place(self) -> Placement:
        """Where the next run goes; from then on it counts."""
        if self.overlap == Overlap.ALLOW or not self.current:
            self.current = True
            return Placement(None, None)
        if self.overlap == Overlap.QUEUE_ONE and not self.waiting:
            self.waiting = True
            return Placement(None, WAITING)
        which = "" if self.current_run_id is None else f" {self.current_run_id}"
        if self.overlap == Overlap.QUEUE_ONE:
            return Placement(f"Overlap: run{which} isn't finished, and one waits already.", None)
        return Placement(f"Overlap: run{which} isn't finished.", None)

    def written(self, run_id: int, not_before: datetime | None) -> None:
        """Note the id of a queued run that was placed."""
        if not_before == WAITING:
            self.waiting_run_id = run_id
        else:
            self.current_run_id = run_id


class Placement(NamedTuple):
    """Why a run is skipped, or until when it waits; None and None: it goes ahead."""

    skipped: str | None
    not_before: datetime | None


def lock_schedules(session: Session, task_ids: Collection[int]) -> dict[int, TaskSchedule]:
    """The schedules of these tasks by id, locked in order; tasks without one are left out.

    ``occupancies`` must follow in a statement of its own: one that locks and looks at once
    would look at what was there before it got the lock.
    """
    rows = session.scalars(
        select(TaskSchedule)
        .where(TaskSchedule.task_id.in_(task_ids))
        .order_by(TaskSchedule.task_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.task_id: row for row in rows}


def occupancies(session: Session, schedules: Collection[TaskSchedule]) -> dict[int, Occupancy]:
    """What is open of the tasks of locked schedules, by task id."""
    known = {
        run_id
        for row in schedules
        if row.overlap != Overlap.ALLOW
        for run_id in (row.current_run_id, row.waiting_run_id)
        if run_id is not None
    }
    still_open = set()
    if known:
        still_open = set(
            session.scalars(
                select(TaskResult.id).where(
                    TaskResult.id.in_(known), TaskResult.finished_at.is_(None)
                )
            )
        )
    return {
        row.task_id: Occupancy(
            Overlap(row.overlap),
            row.current_run_id,
            row.waiting_run_id,
            current=row.current_run_id in still_open or row.waiting_run_id in still_open,
            waiting=row.waiting_run_id in still_open,
        )
        for row in schedules
    }


def note_occupancy(session: Session, schedule: TaskSchedule, occupancy: Occupancy) -> None:
    """Keep in a locked schedule what was placed."""
    schedule.current_run_id = occupancy.current_run_id
    schedule.waiting_run_id = occupancy.waiting_run_id


def newest_open_run(session: Session, task_id: int) -> int | None:
    """A run of a task that isn't finished, for a schedule that begins to care."""
    return session.execute(
        select(TaskResult.id)
        .where(TaskResult.task_id == task_id, TaskResult.finished_at.is_(None))
        .order_by(TaskResult.due_at.desc())
        .limit(1)
    ).scalar()


def release_waiting(session: Session) -> int:
    """Let runs go ahead that waited for another one which is finished now."""
    waits = TaskSchedule.waiting_run_id.is_not(None)
    before = (
        select(TaskResult.id)
        .where(TaskResult.id == TaskSchedule.current_run_id, TaskResult.finished_at.is_(None))
        .exists()
    )
    ready = select(TaskSchedule.task_id).where(
        waits, or_(TaskSchedule.current_run_id.is_(None), ~before)
    )
    ids = session.scalars(ready.order_by(TaskSchedule.task_id).limit(LIMIT)).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        locked = lock_schedules(session, ids)
        freed = [
            row
            for row, room in zip(
                locked.values(), _open_currents(session, locked.values()), strict=True
            )
            if row.waiting_run_id is not None and room
        ]
        moment = now(session)
        session.execute(
            update(TaskResult)
            .where(
                TaskResult.id.in_([row.waiting_run_id for row in freed]),
                TaskResult.state == RunState.QUEUED,
            )
            .values(not_before=moment),
            execution_options={"synchronize_session": False},
        )
        for row in freed:
            row.current_run_id, row.waiting_run_id = row.waiting_run_id, None
    return len(freed)


def _open_currents(session: Session, rows: Collection[TaskSchedule]) -> list[bool]:
    """Whether each one's current run is finished."""
    ids = [row.current_run_id for row in rows if row.current_run_id is not None]
    still_open = set(
        session.scalars(
            select(TaskResult.id).where(TaskResult.id.in_(ids), TaskResult.finished_at.is_(None))
        )
    )
    return [row.current_run_id not in still_open for row in rows]
