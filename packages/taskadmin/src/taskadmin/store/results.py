"""Runs: written queued, completed once.

A run is completed by an UPDATE that names the state it was in; whoever comes
second changes 0 rows. That makes a repeated message harmless.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session, joinedload

from ..jobs import Job
from ..models import Launch, LaunchState, RunState, Task, TaskResult
from .clock import database_now, now
from .dialect import insert_with_conflicts
from .transaction import ledger_transaction

#: Longest error text that is stored, in characters.
ERROR_MAX_LENGTH = 10_000
#: Width of the columns for a worker's name and for an exception's.
NAME_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Written:
    """Which tasks got a row, and how many of the rows are queued and skipped."""

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
) -> Written:
    """Write a run for each task inside the caller's transaction.

    A task that has a row for *due_at* gets no second one. A task whose job isn't
    registered gets a row that says so. *jobs* are the registered ones by name.
    """
    if not tasks:
        return Written(frozenset(), 0, 0)
    moment = now(session)
    rows = [_row(task, jobs.get(task.job), launch_id, due_at, moment) for task in tasks]
    statement = (
        insert_with_conflicts(session, TaskResult.__table__)
        .on_conflict_do_nothing(index_elements=[TaskResult.task_id, TaskResult.due_at])
        .returning(TaskResult.__table__.c.task_id, TaskResult.__table__.c.state)
    )
    states = {row.task_id: row.state for row in session.execute(statement, rows)}
    queued = sum(state == RunState.QUEUED for state in states.values())
    return Written(frozenset(states), queued, len(states) - queued)


def _row(
    task: Task, job: Job | None, launch_id: int, due_at: datetime, moment: datetime
) -> dict[str, Any]:
    row = {
        "task_id": task.id,
        "launch_id": launch_id,
        "due_at": due_at,
        "job": task.job,
        "queue": job.queue if job else "",
        "task_params": {**task.arguments, "author_id": task.created_by},
        "state": RunState.QUEUED,
        "reason": None,
        "max_attempts": job.max_attempts if job else 1,
        "queued_at": moment,
        "finished_at": None,
    }
    if job is None:
        row |= {
            "state": RunState.SKIPPED,
            "reason": f"No job is registered under the name {task.job}."[:500],
            "finished_at": moment,
        }
    return row


class UnsentRun(NamedTuple):
    """A queued run that has to be sent."""

    id: int
    due_at: datetime
    job: str
    queue: str


class OpenRun(NamedTuple):
    """What a worker needs to know of a run."""

    task_id: int
    launch_id: int
    job: str
    task_params: dict[str, Any]


def open_run(session: Session, run_id: int, due_at: datetime) -> OpenRun | None:
    """The queued run that a message means; None if it is finished, deleted or another one.

    Ids alone could be reused by a restored database: the due time must match too.
    The transaction ends here, so that none is open while the job runs.
    """
    row = session.execute(
        select(
            TaskResult.task_id, TaskResult.launch_id, TaskResult.job, TaskResult.task_params
        ).where(
            TaskResult.id == run_id,
            TaskResult.due_at == due_at,
            TaskResult.state == RunState.QUEUED,
        )
    ).one_or_none()
    session.rollback()
    return None if row is None else OpenRun(*row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one execution, made to fit its columns.

    A job may return or raise anything. What no column can hold makes the run a
    failed one that says so; refused by the database, it would stay open for ever.
    """

    worker: str
    elapsed: timedelta
    result: float | None = None
    output: Any | None = None
    error_type: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        problem = _why_unstorable(self.result, self.output)
        if problem is not None:
            self._set(result=None, output=None, error_type="UnstorableResult", error=problem)
        if self.error is not None:
            # The end of a traceback says what happened.
            self._set(error=_storable_text(self.error)[-ERROR_MAX_LENGTH:])
        if self.error_type is not None:
            self._set(error_type=_storable_text(self.error_type)[:NAME_MAX_LENGTH])
        self._set(worker=_storable_text(self.worker)[:NAME_MAX_LENGTH])

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # frozen for everybody else

    @property
    def state(self) -> RunState:
        return RunState.SUCCEEDED if self.error_type is None else RunState.FAILED


def _why_unstorable(result: float | None, output: Any) -> str | None:
    try:
        if result is not None and not math.isfinite(result):
            return f"The job returned {result}; a number must be finite to be stored."
        json.dumps(output, allow_nan=False)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return f"The job returned something that can't be stored as a number or as JSON: {error}."
    return None


def _storable_text(text: str) -> str:
    """*text* without what PostgreSQL refuses: NUL and halves of characters are spelt out."""
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def complete_unclaimed(session: Session, run_id: int, due_at: datetime, outcome: Outcome) -> bool:
    """Record the outcome of a run whose start wasn't recorded; False if one is recorded already."""
    with ledger_transaction(session):
        moment = now(session)
        done: CursorResult[Any] = session.execute(
            update(TaskResult)
            .where(
                TaskResult.id == run_id,
                TaskResult.due_at == due_at,
                TaskResult.state == RunState.QUEUED,
                TaskResult.token.is_(None),
                TaskResult.attempts == 0,
            )
            .values(
                state=outcome.state,
                attempts=1,
                started_at=moment - outcome.elapsed,
                finished_at=moment,
                worker=outcome.worker,
                result=outcome.result,
                output=outcome.output,
                error_type=outcome.error_type,
                error=outcome.error,
            ),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount == 1


def runs_of_launch(session: Session, launch_id: int) -> Sequence[TaskResult]:
    """All runs of a launch in order of their ids; for launches of a known, small size."""
    return session.scalars(
        select(TaskResult).where(TaskResult.launch_id == launch_id).order_by(TaskResult.id)
    ).all()


def sent_but_open(session: Session, *, after_id: int, limit: int) -> Sequence[UnsentRun]:
    """Queued runs whose launch was sent whole, in order of their ids behind *after_id*."""
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
    session.rollback()
    return [UnsentRun(*row) for row in rows]


def count_publish(session: Session, run_ids: Sequence[int]) -> None:
    """Note that these runs were sent once more."""
    with ledger_transaction(session):
        session.execute(
            update(TaskResult)
            .where(TaskResult.id.in_(run_ids))
            .values(publishes=TaskResult.publishes + 1, published_at=database_now()),
            execution_options={"synchronize_session": False},
        )


def page_of_runs(
    session: Session,
    *,
    task_id: int | None = None,
    state: RunState | None = None,
    before_id: int | None = None,
    limit: int,
) -> Sequence[TaskResult]:
    """The newest runs with their tasks, of all tasks or of one, older than *before_id*."""
    query = select(TaskResult).options(joinedload(TaskResult.task))
    if task_id is not None:
        query = query.where(TaskResult.task_id == task_id)
    if state is not None:
        query = query.where(TaskResult.state == state)
    if before_id is not None:
        query = query.where(TaskResult.id < before_id)
    return session.scalars(query.order_by(TaskResult.id.desc()).limit(limit)).all()


def find_run(session: Session, run_id: int) -> TaskResult | None:
    """A run with its task and its launch."""
    return session.scalar(
        select(TaskResult)
        .where(TaskResult.id == run_id)
        .options(
            joinedload(TaskResult.task),
            joinedload(TaskResult.launch).joinedload(Launch.requester),
        )
    )


def latest_runs(session: Session, task_ids: Collection[int]) -> dict[int, TaskResult]:
    """The run with the latest due time of each task that has one, by task id; one query."""
    latest = (
        select(TaskResult.task_id, func.max(TaskResult.due_at).label("due_at"))
        .where(TaskResult.task_id.in_(task_ids))
        .group_by(TaskResult.task_id)
        .subquery()
    )
    runs = session.scalars(
        select(TaskResult).join(
            latest,
            (latest.c.task_id == TaskResult.task_id) & (latest.c.due_at == TaskResult.due_at),
        )
    )
    return {run.task_id: run for run in runs}
