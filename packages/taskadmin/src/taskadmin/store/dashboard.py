"""What the dashboard asks: what is due, what waits, what needs a look; each in a bounded query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Session, contains_eager, joinedload

from ..models import (
    Launch,
    LaunchKind,
    LaunchState,
    Process,
    RunState,
    Task,
    TaskPause,
    TaskResult,
    TaskSchedule,
)
from .clock import slot_of
from .task_lists import RUNS, last_runs

#: Rows counted at most; one more stands for any larger number.
COUNTED = 10_000
#: What is overdue for longer is late.
LATE = timedelta(seconds=60)
#: Failures among which tasks are looked for that fail again and again.
_NEWEST = 1_000
#: Failures in a row from which on a task needs a look.
IN_A_ROW = 3
#: Tasks of which each kind of attention names at most.
NAMED = 5
_ACTIVE = and_(Task.enabled.is_(True), Task.deleted_at.is_(None))
_WITH_SLOT = or_(TaskSchedule.task_id.is_(None), TaskSchedule.kind == "slot")


class Outlook(NamedTuple):
    """What is due, late and paused, counted to ``COUNTED`` and one more."""

    #: Due times of own schedules up to the horizon: one for each task.
    due: int
    first_due: datetime | None
    #: Active tasks that go with the common slot.
    with_slot: int
    #: Active tasks whose own schedule should have started them.
    late: int
    paused: int
    paused_since: datetime | None
    #: Slots of the last 24 hours that nothing launched.
    missed_slots: int
    #: Active tasks whose schedule can't be computed.
    broken: int
    has_tasks: bool


def outlook(session: Session, *, moment: datetime, horizon: datetime) -> Outlook:
    """Everything that is counted over tasks, schedules and slots; one query."""
    scheduled = (
        select(literal(1)).select_from(TaskSchedule).join(Task, Task.id == TaskSchedule.task_id)
    ).where(_ACTIVE)
    first_due = (
        select(TaskSchedule.next_due)
        .join(Task, Task.id == TaskSchedule.task_id)
        .where(_ACTIVE, TaskSchedule.next_due.is_not(None))
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
                .where(_ACTIVE, _WITH_SLOT)
            ),
            _capped(scheduled.where(TaskSchedule.next_due < moment - LATE)),
            _capped(select(literal(1)).where(Task.enabled.is_(False), Task.deleted_at.is_(None))),
            select(func.min(paused.limit(COUNTED).subquery().c.paused_at)).scalar_subquery(),
            _capped(
                select(literal(1)).where(
                    Launch.kind == LaunchKind.SLOT,
                    Launch.state == LaunchState.MISSED,
                    Launch.slot > moment - timedelta(days=1),
                )
            ),
            _capped(scheduled.where(TaskSchedule.error.is_not(None))),
            exists().where(Task.deleted_at.is_(None)),
        )
    ).one()
    return Outlook(*row)


def late_slots(moment: datetime, ticked: timedelta | None, length: timedelta) -> int:
    """How many slots nobody looked at that began longer than ``LATE`` ago; at most ``COUNTED``.

    Args:
        ticked: Since the launcher's last turn; None if it never had one: then nothing was due.
        length: Of a slot.
    """
    if ticked is None:
        return 0
    seen = slot_of(moment - ticked, length.total_seconds())
    return min((moment - LATE - seen) // length, COUNTED) if moment - LATE > seen else 0


class NextRun(NamedTuple):
    """A task that its own schedule starts."""

    task_id: int
    task: str
    due: datetime


def next_runs(session: Session, *, limit: int = 10) -> Sequence[NextRun]:
    """The tasks that their own schedules start next."""
    rows = session.execute(
        select(Task, TaskSchedule.next_due)
        .join(TaskSchedule, TaskSchedule.task_id == Task.id)
        .where(_ACTIVE, TaskSchedule.next_due.is_not(None))
        .order_by(TaskSchedule.next_due, Task.id)
        .limit(limit)
    )
    return [NextRun(task.id, str(task), due) for task, due in rows if due is not None]


def last_failures(session: Session, *, limit: int = 6) -> Sequence[TaskResult]:
    """The newest failed runs with their tasks."""
    return session.scalars(
        select(TaskResult)
        .join(TaskResult.task)
        .where(
            TaskResult.error_type.is_not(None),
            TaskResult.state == RunState.FAILED,
            Task.deleted_at.is_(None),
        )
        .order_by(TaskResult.id.desc())
        .limit(limit)
        .options(contains_eager(TaskResult.task))
    ).all()


class Failing(NamedTuple):
    """A task whose last runs all failed."""

    task_id: int
    task: str
    number: int
    #: Whether it may have been more: no more runs were looked at.
    at_least: bool
    #: The newest failure's.
    error_type: str
    #: Whether all of them failed with that.
    is_same: bool
    since: datetime | None


def failing_tasks(session: Session, *, limit: int = NAMED) -> Sequence[Failing]:
    """Active tasks that failed again and again, up to now, most failures first; two queries."""
    newest = (
        select(TaskResult.task_id)
        .where(TaskResult.error_type.is_not(None), TaskResult.state == RunState.FAILED)
        .order_by(TaskResult.id.desc())
        .limit(_NEWEST)
        .subquery()
    )
    # Counted and cut before their tasks are looked up, so that nothing reads all tasks for it.
    often = (
        select(newest.c.task_id, func.count().label("number"))
        .group_by(newest.c.task_id)
        .having(func.count() >= IN_A_ROW)
        .order_by(literal_column("number").desc(), newest.c.task_id)
        .limit(_NEWEST // (2 * IN_A_ROW))
        .subquery()
    )
    tasks = session.scalars(
        select(Task)
        .join(often, often.c.task_id == Task.id)
        .where(_ACTIVE)
        .order_by(often.c.number.desc(), Task.id)
        .limit(4 * limit)
    ).all()
    if not tasks:
        return []
    runs = last_runs(session, [task.id for task in tasks])
    found = []
    for task in tasks:
        finished = [
            run
            for run in reversed(runs.get(task.id, ()))
            if run.state in (RunState.SUCCEEDED, RunState.FAILED)
        ]
        row = []
        for run in finished:
            if run.state != RunState.FAILED:
                break
            row.append(run)
        if len(row) >= IN_A_ROW:
            found.append(
                Failing(
                    task.id,
                    str(task),
                    len(row),
                    len(row) == len(finished) and len(runs[task.id]) >= RUNS,
                    row[0].error_type or "",
                    len({run.error_type for run in row}) == 1,
                    row[-1].finished_at,
                )
            )
    return sorted(found, key=lambda one: -one.number)[:limit]


def long_pauses(
    session: Session, *, before: datetime, limit: int = NAMED
) -> Sequence[tuple[Task, TaskPause]]:
    """Tasks that have been paused since before then, with who paused them, the oldest first."""
    rows = session.execute(
        select(Task, TaskPause)
        .join(TaskPause, TaskPause.task_id == Task.id)
        .where(Task.enabled.is_(False), Task.deleted_at.is_(None), TaskPause.paused_at < before)
        .order_by(TaskPause.paused_at, Task.id)
        .limit(limit)
        .options(joinedload(TaskPause.pauser))
    )
    return [(task, pause) for task, pause in rows]


def broken_schedules(session: Session, *, limit: int = NAMED) -> Sequence[tuple[Task, str]]:
    """Active tasks whose schedule can't be computed, and why."""
    rows = session.execute(
        select(Task, TaskSchedule.error)
        .join(TaskSchedule, TaskSchedule.task_id == Task.id)
        .where(_ACTIVE, TaskSchedule.error.is_not(None))
        .order_by(Task.id)
        .limit(limit)
    )
    return [(task, error) for task, error in rows if error is not None]


class Readers(NamedTuple):
    """Who reads which queues."""

    #: Names of the queues that are read.
    queues: frozenset[str]
    #: Names of workers by process: the processes of a pool share one.
    workers: Mapping[UUID, str]


def readers(session: Session, *, since: datetime) -> Readers:
    """Processes that aren't gone; of queues only those count that were heard of since then."""
    rows = session.execute(
        select(Process.id, Process.name, Process.queues, Process.seen_at)
        .where(Process.gone_at.is_(None))
        .limit(COUNTED)
    ).all()
    read = {name for row in rows if row.seen_at > since for name in row.queues.split(",")}
    return Readers(frozenset(read - {""}), {row.id: row.name for row in rows})


def _capped(rows: Select[Any]) -> ColumnElement[int]:
    limited = rows.limit(COUNTED + 1).subquery()
    return select(func.count()).select_from(limited).scalar_subquery()
