"""Processes and open runs as the page of workers shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from ..models import Process, ProcessEnd, ProcessKind, RunState, Task, TaskResult
from .clock import now
from .processes import KEPT

#: Processes of each sort, living and gone, that a page shows at most.
MOST = 500
MOST_GONE = 50
#: Of the open runs, so many of the oldest and so many of the newest are looked at.
AT_EACH_END = 5_000
#: Runs under way of which a page says what they are.
MOST_NAMED = 200


class Seen(NamedTuple):
    """A process, and for how long it has been silent."""

    process: Process
    silent: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Who is there, and who was."""

    moment: datetime
    living: Sequence[Seen]
    #: Gone within the last hour, the latest first; children that stopped with their worker
    #: are left out.
    gone: Sequence[Process]
    #: Whether there are more living ones, and more of those that are gone.
    more: bool
    more_gone: bool


def processes(session: Session) -> Processes:
    """Processes that are there, and those that went within the last hour; three queries."""
    moment = now(session)
    living = session.scalars(
        select(Process)
        .where(Process.gone_at.is_(None))
        # Parents first: with many processes children are what is left out.
        .order_by(
            case((Process.kind == ProcessKind.CHILD, 1), else_=0),
            Process.name,
            Process.started_at,
            Process.id,
        )
        .limit(MOST + 1)
    ).all()
    gone = session.scalars(
        select(Process)
        .where(
            Process.gone_at > moment - KEPT,
            or_(Process.kind != ProcessKind.CHILD, Process.ending != ProcessEnd.STOPPED),
        )
        .order_by(Process.gone_at.desc(), Process.id)
        .limit(MOST_GONE + 1)
    ).all()
    return Processes(
        moment=moment,
        living=[Seen(one, max(moment - one.seen_at, timedelta(0))) for one in living[:MOST]],
        gone=gone[:MOST_GONE],
        more=len(living) > MOST,
        more_gone=len(gone) > MOST_GONE,
    )


class Waiting(NamedTuple):
    """Open runs of a queue."""

    #: Those that a worker could take now.
    ready: int
    #: Those that wait until a time that hasn't come: after a failed attempt, most of them.
    later: int
    running: int
    #: For how long the oldest of those that could be taken has been able to; None without one.
    oldest: timedelta | None


class Underway(NamedTuple):
    """A run that a process has claimed."""

    id: int
    task: Task
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRuns:
    """What waits and what is executed, as far as it was looked at."""

    by_queue: dict[str, Waiting]
    #: Numbers of runs by the process that claimed them.
    by_process: dict[UUID, int]
    #: Some of these runs.
    underway: dict[UUID, list[Underway]]
    #: Whether there are more open runs than were looked at.
    is_capped: bool


def open_runs(session: Session, *, moment: datetime | None = None) -> OpenRuns:
    """Open runs by queue and by process; three queries, or two if *moment*, now, is known.

    Of many only the oldest and the newest are looked at: what is executed is among them, and
    so is what has waited longest.
    """
    moment = moment or now(session)
    run = _looked_at()
    later = case((and_(run.not_before.is_not(None), run.not_before > moment), 1), else_=0)
    since = case((run.not_before > run.queued_at, run.not_before), else_=run.queued_at)
    rows = session.execute(
        select(
            run.queue,
            run.state,
            later.label("later"),
            run.process_id,
            func.count().label("number"),
            func.min(since).label("since"),
        ).group_by(run.queue, run.state, later, run.process_id)
    ).all()
    by_queue: dict[str, Waiting] = {}
    by_process: dict[UUID, int] = {}
    for row in rows:
        ready, after, running, oldest = by_queue.get(row.queue, Waiting(0, 0, 0, None))
        if row.state == RunState.RUNNING:
            running += row.number
            by_process[row.process_id] = by_process.get(row.process_id, 0) + row.number
        elif row.later:
            after += row.number
        else:
            ready += row.number
            oldest = max(oldest or timedelta(0), moment - row.since)
        by_queue[row.queue] = Waiting(ready, after, running, oldest)
    number = sum(row.number for row in rows)
    return OpenRuns(
        by_queue=by_queue,
        by_process=by_process,
        underway=_underway(session) if by_process else {},
        is_capped=number >= 2 * AT_EACH_END,
    )


def _looked_at() -> type[TaskResult]:
    """Runs at both ends of the index of open ones; those of a short one appear once."""
    columns = (
        *(TaskResult.id, TaskResult.task_id, TaskResult.queue, TaskResult.state),
        *(TaskResult.process_id, TaskResult.queued_at, TaskResult.started_at),
        TaskResult.not_before,
    )
    order = (TaskResult.launch_id, TaskResult.id)
    opened = select(*columns).where(TaskResult.finished_at.is_(None)).limit(AT_EACH_END)
    # Their columns and not their ids alone: PostgreSQL looks ten thousand ids up by reading all.
    oldest = opened.order_by(*order).subquery()
    newest = opened.order_by(*(column.desc() for column in order)).subquery()
    both = union(select(oldest), select(newest)).subquery()
    return aliased(TaskResult, both)


def _underway(session: Session) -> dict[UUID, list[Underway]]:
    run = _looked_at()
    rows = session.execute(
        select(run.process_id, run.id, run.started_at, Task)
        .join(Task, Task.id == run.task_id)
        .where(run.state == RunState.RUNNING, Task.deleted_at.is_(None))
        .order_by(run.id)
        .limit(MOST_NAMED)
    )
    found: dict[UUID, list[Underway]] = {}
    for process_id, run_id, started_at, task in rows:
        if process_id is not None:  # of a running run it never is
            found.setdefault(process_id, []).append(Underway(run_id, task, started_at))
    return found
