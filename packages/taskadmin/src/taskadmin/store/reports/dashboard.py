"""Queries of the dashboard: what is due, waiting, failing or late; all of them bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import Session, joinedload

from ...models import (
    Launch,
    LaunchKind,
    LaunchState,
    Process,
    Task,
    TaskPause,
    TaskSchedule,
    User,
)
from ...schedules import ScheduleKind
from ..database.clock import slot_of
from ..database.counting import MAX_COUNTED, count_up_to
from .matching_tasks import LATE_AFTER

#: Maximum tasks that each kind of attention names.
MAX_NAMED_TASKS = 5
#: How long a user without a role counts as new.
NEW_USER = timedelta(days=30)
_IS_ACTIVE_TASK = and_(Task.enabled.is_(True), Task.deleted_at.is_(None))
_WITH_SLOT = or_(TaskSchedule.task_id.is_(None), TaskSchedule.kind == ScheduleKind.SLOT)


class Outlook(NamedTuple):
    """Counts of due, late and paused tasks, capped at ``MAX_COUNTED`` + 1."""

    #: Tasks whose own schedule is due before the horizon.
    due: int
    first_due: datetime | None
    #: Active tasks that run at the common slot.
    with_slot: int
    #: Active tasks whose own schedule is late.
    late: int
    paused: int
    paused_since: datetime | None
    #: Slots of the last 24 hours that weren't launched.
    missed_slots: int
    #: Active tasks whose schedule can't be computed.
    broken: int
    has_tasks: bool
    #: Active users without a role who registered within ``NEW_USER``.
    new_users: int


def outlook(session: Session, *, moment: datetime, horizon: datetime) -> Outlook:
    """Count tasks, schedules and slots by one query."""
    scheduled = (
        select(literal(1)).select_from(TaskSchedule).join(Task, Task.id == TaskSchedule.task_id)
    ).where(_IS_ACTIVE_TASK)
    first_due = (
        select(TaskSchedule.next_due)
        .join(Task, Task.id == TaskSchedule.task_id)
        .where(_IS_ACTIVE_TASK, TaskSchedule.next_due.is_not(None))
        .order_by(TaskSchedule.next_due)
        .limit(1)
    )
    paused = select(TaskPause.paused_at).join(Task, Task.id == TaskPause.task_id)
    paused = paused.where(Task.deleted_at.is_(None))
    row = session.execute(
        select(
            _capped(scheduled.where(TaskSchedule.next_due <= horizon)),
            first_due.scalar_subquery(),
            _capped(
                select(literal(1))
                .select_from(Task)
                .outerjoin(TaskSchedule, TaskSchedule.task_id == Task.id)
                .where(_IS_ACTIVE_TASK, _WITH_SLOT)
            ),
            _capped(scheduled.where(TaskSchedule.next_due < moment - LATE_AFTER)),
            _capped(select(literal(1)).where(Task.enabled.is_(False), Task.deleted_at.is_(None))),
            select(func.min(paused.limit(MAX_COUNTED).subquery().c.paused_at)).scalar_subquery(),
            _capped(
                select(literal(1)).where(
                    Launch.kind == LaunchKind.SLOT,
                    Launch.state == LaunchState.MISSED,
                    Launch.slot > moment - timedelta(days=1),
                )
            ),
            _capped(scheduled.where(TaskSchedule.error.is_not(None))),
            exists().where(Task.deleted_at.is_(None)),
            _capped(
                select(literal(1)).where(
                    User.is_active,
                    not_(or_(User.is_superuser, User.can_review_tasks)),
                    User.password_hash.is_not(None),  # a host gives its own users their roles
                    User.created_at > moment - NEW_USER,
                )
            ),
        )
    ).one()
    return Outlook(*row)


def late_slots(moment: datetime, ticked: timedelta | None, length: timedelta) -> int:
    """Count the unlaunched slots that are more than ``LATE_AFTER`` old, up to ``MAX_COUNTED``.

    Args:
        ticked: Time since the launcher's last turn; None if it never had one: nothing was due then.
        length: Length of a slot.
    """
    if ticked is None:
        return 0
    seen = slot_of(moment - ticked, length.total_seconds())
    return (
        min((moment - LATE_AFTER - seen) // length, MAX_COUNTED)
        if moment - LATE_AFTER > seen
        else 0
    )


class NextRun(NamedTuple):
    """The next run of a task with its own schedule."""

    task_id: int
    task: str
    due: datetime


def next_runs(session: Session, *, limit: int = 10) -> Sequence[NextRun]:
    """Return the next runs of tasks with their own schedules."""
    rows = session.execute(
        select(Task, TaskSchedule.next_due)
        .join(TaskSchedule, TaskSchedule.task_id == Task.id)
        .where(_IS_ACTIVE_TASK, TaskSchedule.next_due.is_not(None))
        .order_by(TaskSchedule.next_due, Task.id)
        .limit(limit)
    )
    return [NextRun(task.id, str(task), due) for task, due in rows if due is not None]


def long_pauses(
    session: Session, *, before: datetime, limit: int = MAX_NAMED_TASKS
) -> Sequence[tuple[Task, TaskPause]]:
    """Return tasks paused before a time, with who paused them, oldest pause first."""
    rows = session.execute(
        select(Task, TaskPause)
        .join(TaskPause, TaskPause.task_id == Task.id)
        .where(Task.enabled.is_(False), Task.deleted_at.is_(None), TaskPause.paused_at < before)
        .order_by(TaskPause.paused_at, Task.id)
        .limit(limit)
        .options(joinedload(TaskPause.pauser))
    )
    return [(task, pause) for task, pause in rows]


class Readers(NamedTuple):
    """The queues that workers consume, and the workers' names."""

    #: Names of the consumed queues.
    queues: frozenset[str]
    #: Worker names by process id; the processes of a pool share a name.
    workers: Mapping[UUID, str]


def readers(session: Session, *, since: datetime) -> Readers:
    """Return processes that aren't gone; queues only of those with a heartbeat since *since*."""
    rows = session.execute(
        select(Process.id, Process.name, Process.queues, Process.seen_at)
        .where(Process.gone_at.is_(None))
        .limit(MAX_COUNTED)
    ).all()
    read = {name for row in rows if row.seen_at > since for name in row.queues.split(",")}
    return Readers(frozenset(read - {""}), {row.id: row.name for row in rows})


def _capped(rows: Select[object]) -> ColumnElement[int]:
    """Count up to ``MAX_COUNTED`` + 1, which means "more"."""
    return count_up_to(rows, MAX_COUNTED + 1)
