"""Overlapping runs of one task: start, skip or hold back the next run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from ...models import Overlap, RunState, TaskResult, TaskSchedule
from ..database.clock import now
from ..database.transaction import end_reading, ledger_transaction
from .due_rows import DueSchedule

#: ``not_before`` of a run that waits for another one. SQLite has no infinity.
WAITING_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)
#: Rows handled in one turn.
MAX_ROWS_PER_TURN = 1_000


@dataclass(slots=True)
class Occupancy:
    """The open runs of a task, while its schedule's row is locked."""

    overlap: Overlap
    current_run_id: int | None
    waiting_run_id: int | None
    #: Whether a run is open, even one that has no id yet.
    current: bool
    waiting: bool

    def place(self) -> Placement:
        """Decide about the next run, and count it as open from now on."""
        if self.overlap == Overlap.ALLOW or not self.current:
            self.current = True
            return Placement(None, None)
        if self.overlap == Overlap.QUEUE_ONE and not self.waiting:
            self.waiting = True
            return Placement(None, WAITING_UNTIL)
        which = "" if self.current_run_id is None else f" {self.current_run_id}"
        if self.overlap == Overlap.QUEUE_ONE:
            return Placement(f"Overlap: run{which} isn't finished, and one is waiting.", None)
        return Placement(f"Overlap: run{which} isn't finished.", None)

    def written(self, run_id: int, not_before: datetime | None) -> None:
        """Store the id of a queued run after ``place``."""
        if not_before == WAITING_UNTIL:
            self.waiting_run_id = run_id
        else:
            self.current_run_id = run_id


class Placement(NamedTuple):
    """Why a run is skipped, or until when it waits; both None if it starts."""

    skipped: str | None
    not_before: datetime | None


def lock_schedules(session: Session, task_ids: Collection[int]) -> dict[int, TaskSchedule]:
    """Lock schedules in a fixed order and return them by task id; tasks without one are left out.

    Call ``occupancies`` in a separate statement: a statement that locks and reads at once would
    read the state before it got the lock.
    """
    rows = session.scalars(
        select(TaskSchedule)
        .where(TaskSchedule.task_id.in_(task_ids))
        .order_by(TaskSchedule.task_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.task_id: row for row in rows}


def occupancies(
    session: Session, schedules: Collection[TaskSchedule | DueSchedule]
) -> dict[int, Occupancy]:
    """Return the open runs of locked schedules by task id."""
    run_ids = {
        run_id
        for row in schedules
        if row.overlap != Overlap.ALLOW
        for run_id in (row.current_run_id, row.waiting_run_id)
        if run_id is not None
    }
    still_open = set()
    if run_ids:
        still_open = set(
            session.scalars(
                select(TaskResult.id).where(
                    TaskResult.id.in_(run_ids), TaskResult.finished_at.is_(None)
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


def note_occupancy(schedule: TaskSchedule | DueSchedule, occupancy: Occupancy) -> None:
    """Store the open runs in a locked schedule."""
    schedule.current_run_id = occupancy.current_run_id
    schedule.waiting_run_id = occupancy.waiting_run_id


def newest_open_run(session: Session, task_id: int) -> int | None:
    """Return an open run of a task, for a schedule whose overlap rule begins to apply."""
    return session.execute(
        select(TaskResult.id)
        .where(TaskResult.task_id == task_id, TaskResult.finished_at.is_(None))
        .order_by(TaskResult.due_at.desc())
        .limit(1)
    ).scalar()


def release_waiting(session: Session) -> int:
    """Release waiting runs whose predecessor has finished; return how many."""
    waits = TaskSchedule.waiting_run_id.is_not(None)
    before = (
        select(TaskResult.id)
        .where(TaskResult.id == TaskSchedule.current_run_id, TaskResult.finished_at.is_(None))
        .exists()
    )
    ready = select(TaskSchedule.task_id).where(
        waits, or_(TaskSchedule.current_run_id.is_(None), ~before)
    )
    ids = session.scalars(ready.order_by(TaskSchedule.task_id).limit(MAX_ROWS_PER_TURN)).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        locked = lock_schedules(session, ids)
        freed = [
            row
            for row, is_free in zip(
                locked.values(), _are_free(session, locked.values()), strict=True
            )
            if row.waiting_run_id is not None and is_free
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


def _are_free(session: Session, rows: Collection[TaskSchedule]) -> list[bool]:
    """Return for each schedule whether its current run has finished."""
    ids = [row.current_run_id for row in rows if row.current_run_id is not None]
    still_open = set(
        session.scalars(
            select(TaskResult.id).where(TaskResult.id.in_(ids), TaskResult.finished_at.is_(None))
        )
    )
    return [row.current_run_id not in still_open for row in rows]
