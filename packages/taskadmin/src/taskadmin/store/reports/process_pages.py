"""Processes and open runs for the page of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from ...models import Process, ProcessEnd, ProcessKind, RunState, Task, TaskResult
from ..database.clock import now
from ..upkeep.processes import PROCESS_RETENTION

#: Maximum live and gone processes on a page.
MAX_SHOWN = 500
MAX_GONE = 50
#: Number of oldest and of newest open runs to read.
AT_EACH_END = 5_000
#: Maximum running runs that a page names.
MAX_NAMED = 200


class Seen(NamedTuple):
    """A process, and the time since its last heartbeat."""

    process: Process
    silent: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Live processes and recently gone ones."""

    moment: datetime
    living: Sequence[Seen]
    #: Gone within the last hour, latest first, without children that stopped with their worker.
    gone: Sequence[Process]
    #: Whether there are more live and more gone processes than these.
    more: bool
    more_gone: bool


def list_processes(session: Session) -> Processes:
    """Return live processes, and those gone within the last hour; three queries."""
    moment = now(session)
    living = session.scalars(
        select(Process)
        .where(Process.gone_at.is_(None))
        # Parents first, so that only children are cut off.
        .order_by(
            case((Process.kind == ProcessKind.CHILD, 1), else_=0),
            Process.name,
            Process.started_at,
            Process.id,
        )
        .limit(MAX_SHOWN + 1)
    ).all()
    gone = session.scalars(
        select(Process)
        .where(
            Process.gone_at > moment - PROCESS_RETENTION,
            or_(Process.kind != ProcessKind.CHILD, Process.ending != ProcessEnd.STOPPED),
        )
        .order_by(Process.gone_at.desc(), Process.id)
        .limit(MAX_GONE + 1)
    ).all()
    return Processes(
        moment=moment,
        living=[Seen(one, max(moment - one.seen_at, timedelta(0))) for one in living[:MAX_SHOWN]],
        gone=gone[:MAX_GONE],
        more=len(living) > MAX_SHOWN,
        more_gone=len(gone) > MAX_GONE,
    )


class Waiting(NamedTuple):
    """Open runs of a queue."""

    #: Queued runs that are due.
    ready: int
    #: Queued runs whose ``not_before`` is in the future, mostly after a failed attempt.
    later: int
    running: int
    #: How long the oldest ready run has been waiting; None without one.
    oldest: timedelta | None


class Underway(NamedTuple):
    """A run that a process has claimed."""

    id: int
    task: Task
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRuns:
    """Queued and running runs, as far as they were read."""

    by_queue: dict[str, Waiting]
    #: Number of runs by the process that claimed them.
    by_process: dict[UUID, int]
    #: Some of these runs by process.
    underway: dict[UUID, list[Underway]]
    #: Whether there are more open runs than were read.
    is_capped: bool


def open_runs(session: Session, *, moment: datetime | None = None) -> OpenRuns:
    """Return open runs by queue and process; three queries, or two if *moment*, now, is given.

    Of many runs only the oldest and newest are read: running runs are among them, and so are those
    that have waited longest.
    """
    moment = moment or now(session)
    run = _sampled_runs()
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


def _sampled_runs() -> type[TaskResult]:
    """Select the first and last runs of the index of open runs, without duplicates."""
    columns = (
        *(TaskResult.id, TaskResult.task_id, TaskResult.queue, TaskResult.state),
        *(TaskResult.process_id, TaskResult.queued_at, TaskResult.started_at),
        TaskResult.not_before,
    )
    order = (TaskResult.launch_id, TaskResult.id)
    opened = select(*columns).where(TaskResult.finished_at.is_(None)).limit(AT_EACH_END)
    # Selects columns instead of ids: PostgreSQL looks up ten thousand ids by a sequential scan.
    oldest = opened.order_by(*order).subquery()
    newest = opened.order_by(*(column.desc() for column in order)).subquery()
    both = union(select(oldest), select(newest)).subquery()
    return aliased(TaskResult, both)


def _underway(session: Session) -> dict[UUID, list[Underway]]:
    run = _sampled_runs()
    rows = session.execute(
        select(run.process_id, run.id, run.started_at, Task)
        .join(Task, Task.id == run.task_id)
        .where(run.state == RunState.RUNNING, Task.deleted_at.is_(None))
        .order_by(run.id)
        .limit(MAX_NAMED)
    )
    by_process: dict[UUID, list[Underway]] = {}
    for process_id, run_id, started_at, task in rows:
        if process_id is not None:  # never None for a running run
            by_process.setdefault(process_id, []).append(Underway(run_id, task, started_at))
    return by_process
