"""Insert runs and read them for pages.

What changes them later is in ``transitions``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, func, literal, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, contains_eager, joinedload

from ...jobs import Job
from ...models import (
    GENERATE_RANDOM_NUMBER,
    MASKED,
    Launch,
    LaunchState,
    RunState,
    Task,
    TaskResult,
)
from ...translation.texts import gettext, untranslated
from ..database.clock import now
from ..database.dialect import given_rows, insert_with_conflicts, is_one_of
from ..database.transaction import end_reading
from .due_rows import DueTask
from .lists import for_lists


@dataclass(frozen=True, slots=True)
class Written:
    """Which tasks got a row, and how many rows are queued and skipped."""

    task_ids: frozenset[int]
    queued: int
    skipped: int

    def __add__(self, other: Written) -> Written:
        return Written(
            self.task_ids | other.task_ids,
            self.queued + other.queued,
            self.skipped + other.skipped,
        )


def insert_runs(
    session: Session,
    tasks: Collection[Task],
    *,
    launch_id: int,
    due_at: datetime,
    jobs: Mapping[str, Job],
    skipped: Mapping[int, str] = MappingProxyType({}),
) -> Written:
    """Insert a run for each task, inside the caller's transaction.

    A task that has a row for *due_at* gets no second one. A task that can't run, because its job
    isn't registered or its arguments don't fit any more, gets a skipped run with the reason.

    Args:
        jobs: The registered jobs by name.
        skipped: Reasons to skip tasks this time, by id.
    """
    moment = now(session)
    rows = [
        new_run(
            task,
            jobs.get(task.job),
            launch_id=launch_id,
            due_at=due_at,
            moment=moment,
            skipped=skipped.get(task.id),
        )
        for task in tasks
    ]
    written = write_runs(session, rows)
    queued = sum(run.state == RunState.QUEUED for run in written)
    return Written(frozenset(run.task_id for run in written), queued, len(written) - queued)


def can_copy(session: Session) -> bool:
    """Whether the server can insert runs from the rows of their tasks."""
    return session.get_bind().dialect.name == "postgresql"


def copy_runs(
    session: Session, task_ids: Sequence[int], *, launch_id: int, due_at: datetime, job: Job
) -> int:
    """Insert queued runs of random number tasks like ``insert_runs``, and return how many.

    No row passes through this process: the server copies the values.
    """
    if not task_ids:
        return 0
    table = TaskResult.__table__
    values: dict[str, Any] = {
        "task_id": Task.id,
        "launch_id": literal(launch_id),
        "due_at": literal(due_at, table.c.due_at.type),
        "job": Task.job,
        "queue": literal(job.queue),
        "task_params": func.json_build_object(
            *(literal_column("'lower_limit'"), Task.lower_limit),
            *(literal_column("'upper_limit'"), Task.upper_limit),
            *(literal_column("'author_id'"), Task.created_by),
        ),
        "state": literal(RunState.QUEUED.value),
        "max_attempts": literal(job.max_attempts),
        "queued_at": literal(now(session), table.c.queued_at.type),
    }
    rows = select(*values.values()).where(is_one_of(session, Task.id, task_ids))
    done: CursorResult[Any] = session.execute(
        postgresql.insert(TaskResult)
        # Ordered by task: runs are sent in order of their own ids.
        .from_select(list(values), rows.order_by(Task.id))
        .on_conflict_do_nothing(index_elements=[TaskResult.task_id, TaskResult.due_at]),
        execution_options={"preserve_rowcount": True},
    )  # type: ignore[assignment]
    return done.rowcount


class WrittenRun(NamedTuple):
    """A row that was inserted."""

    id: int
    task_id: int
    due_at: datetime
    state: RunState


def write_runs(session: Session, rows: Collection[Mapping[str, Any]]) -> list[WrittenRun]:
    """Insert rows made by ``new_run``, except where the task has a run for that due time."""
    if not rows:
        return []
    table = TaskResult.__table__
    insert: Any = insert_with_conflicts(session, table)
    values: list[Mapping[str, Any]] | None = list(rows)
    if can_copy(session):
        given = given_rows(table, list(rows))
        insert = insert.from_select(list(given.c.keys()), select(given))
        values = None
    statement = insert.on_conflict_do_nothing(
        index_elements=[TaskResult.task_id, TaskResult.due_at]
    ).returning(table.c.id, table.c.task_id, table.c.due_at, table.c.state)
    return [WrittenRun(*row) for row in session.execute(statement, values)]


def new_run(
    task: Task | DueTask,
    job: Job | None,
    *,
    launch_id: int,
    due_at: datetime,
    moment: datetime,
    skipped: str | None = None,
    not_before: datetime | None = None,
    reason: str | None = None,
    checked: bool = False,
) -> dict[str, Any]:
    """Return the columns of a run of *task*: queued, or skipped for a reason.

    Args:
        job: The task's job; None if it isn't registered.
        moment: The database's time.
        skipped: Why the task doesn't run this time.
        not_before: Until when the run waits.
        reason: Why it runs only now, if it is late.
        checked: Whether the caller has called ``why_skipped``.
    """
    if skipped is None and not checked:
        skipped = why_skipped(task, job)
    marks = {MASKED: task.masked} if task.masked else {}
    return {
        "task_id": task.id,
        "launch_id": launch_id,
        "due_at": due_at,
        "job": task.job,
        "queue": job.queue if job else "",
        "task_params": {**task.arguments, "author_id": task.created_by, **marks},
        "state": RunState.QUEUED if skipped is None else RunState.SKIPPED,
        "reason": (skipped or reason or "")[:500] or None,
        "max_attempts": job.max_attempts if job else 1,
        "queued_at": moment,
        "not_before": None if skipped else not_before,
        "finished_at": moment if skipped else None,
        "output": None,
    }


def why_not(task: Task | DueTask, job: Job | None) -> str | None:
    """Return why a task can't run: its job isn't registered, or its arguments don't fit."""
    if job is None:
        return gettext("No job named %(name)s is registered.", name=task.job)
    if task.job == GENERATE_RANDOM_NUMBER:
        return None  # a constraint of the table checks its columns
    problem = job.why_invalid(task.arguments)
    if problem is None:
        return None
    return gettext("Its arguments don't fit the job: %(problem)s", problem=problem)


def why_skipped(task: Task | DueTask, job: Job | None) -> str | None:
    """Return ``why_not`` in English, as rows store it."""
    with untranslated():
        return why_not(task, job)


class UnsentRun(NamedTuple):
    """A queued run that has to be sent."""

    id: int
    due_at: datetime
    job: str
    queue: str


def runs_of_launch(session: Session, launch_id: int) -> Sequence[TaskResult]:
    """Return all runs of a launch ordered by id; only for launches of a known, small size."""
    return session.scalars(
        select(TaskResult).where(TaskResult.launch_id == launch_id).order_by(TaskResult.id)
    ).all()


def sent_but_open(session: Session, *, after_id: int, limit: int) -> Sequence[UnsentRun]:
    """Return queued runs of completely sent launches with ids above *after_id*, ordered by id."""
    rows = session.execute(
        select(TaskResult.id, TaskResult.due_at, TaskResult.job, TaskResult.queue)
        .join(Launch, Launch.id == TaskResult.launch_id)
        .where(
            TaskResult.id > after_id,
            TaskResult.state == RunState.QUEUED,
            Launch.state == LaunchState.PUBLISHED,
        )
        .order_by(TaskResult.id)
        .limit(limit)
    ).all()
    end_reading(session)
    return [UnsentRun(*row) for row in rows]


def page_of_runs(
    session: Session,
    *,
    task_id: int | None = None,
    launch_id: int | None = None,
    state: RunState | None = None,
    before_id: int | None = None,
    limit: int,
) -> Sequence[TaskResult]:
    """Return the newest runs with their tasks and ids below *before_id*."""
    query = (
        select(TaskResult)
        .join(TaskResult.task)
        .where(Task.deleted_at.is_(None))
        .options(contains_eager(TaskResult.task))
    )
    if task_id is not None:
        query = query.where(TaskResult.task_id == task_id)
    if launch_id is not None:
        query = query.where(TaskResult.launch_id == launch_id)
    if state is not None:
        query = query.where(TaskResult.state == state)
    if before_id is not None:
        query = query.where(TaskResult.id < before_id)
    return session.scalars(query.order_by(TaskResult.id.desc()).limit(limit)).all()


def find_run(session: Session, run_id: int) -> TaskResult | None:
    """Return a run with its task and launch, or None."""
    return session.scalar(
        select(TaskResult)
        .join(TaskResult.task)
        .where(TaskResult.id == run_id, Task.deleted_at.is_(None))
        .options(
            contains_eager(TaskResult.task).joinedload(Task.author),
            joinedload(TaskResult.launch).joinedload(Launch.requester),
        )
    )


def latest_runs(session: Session, task_ids: Collection[int]) -> dict[int, TaskResult]:
    """Return the run with the latest due time of each task, by task id; one query."""
    latest = (
        select(TaskResult.task_id, func.max(TaskResult.due_at).label("due_at"))
        .where(TaskResult.task_id.in_(task_ids))
        .group_by(TaskResult.task_id)
        .subquery()
    )
    runs = session.scalars(
        select(TaskResult)
        .join(
            latest,
            (latest.c.task_id == TaskResult.task_id) & (latest.c.due_at == TaskResult.due_at),
        )
        .options(*for_lists())
    )
    return {run.task_id: run for run in runs}
