"""What people do to runs: retry and cancel, single ones and all that match."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, contains_eager

from ..errors import TooManyRuns
from ..jobs import Job
from ..models import RunState, Task, TaskResult
from .audit import Actor, Change, Subject, record_many
from .by_hand import ManualLaunch, Wanted, once, open_by_hand, queue_by_hand
from .clock import now
from .overlap import lock_schedules
from .transaction import ledger_transaction

#: Most runs that "all that match" may mean.
MOST = 10_000


def retry_runs(
    session: Session,
    run_ids: Collection[int],
    *,
    actor: Actor,
    request_key: UUID,
    owner: UUID,
    jobs: Mapping[str, Job],
) -> ManualLaunch:
    """Queue a new run for each finished one, with its job and its arguments, and commit.

    The finished ones stay as they are. Those whose task is deleted are left out, and so are
    those that aren't finished. A run whose job isn't registered any more, or that would overlap
    where its task mustn't, gets a row that says so.

    Args:
        request_key: Made with the form; the same key again launches nothing.
        owner: Who sends the launch and calls ``finish_launch``, or ``release``.
    """

    def write() -> ManualLaunch:
        launch = open_by_hand(session, actor.user_id, request_key, owner)
        finished = TaskResult.id.in_(run_ids) & TaskResult.finished_at.is_not(None)
        task_ids = session.scalars(select(TaskResult.task_id).where(finished).distinct()).all()
        schedules = lock_schedules(session, task_ids)
        runs = session.scalars(
            select(TaskResult)
            .join(TaskResult.task)
            .where(finished, Task.deleted_at.is_(None))
            .order_by(TaskResult.id)
            .options(contains_eager(TaskResult.task))
            # The tasks only: a finished run never changes.
            .with_for_update(of=Task, read=True, key_share=True)
        ).all()
        wanted = [_wanted(run, jobs.get(run.job)) for run in runs]
        written = queue_by_hand(session, launch, wanted, schedules)
        changes = [
            Change(_subject(run.id, run.task), after={"run": new.id})
            for run, new in zip(runs, written, strict=True)
        ]
        record_many(session, actor, "retried", changes)
        return ManualLaunch(launch.id, launch.queued, True, launch.skipped)

    return once(session, request_key, write)


class Cancelled(NamedTuple):
    """Which runs were cancelled, by what they were before."""

    queued: Sequence[int]
    #: Their jobs still run until somebody terminates them.
    running: Sequence[int]


def cancel_runs(
    session: Session, run_ids: Collection[int], *, actor: Actor, running: bool = False
) -> Cancelled:
    """Cancel runs that aren't finished, and commit; what a worker returns later isn't recorded.

    Args:
        running: Whether those are cancelled as well whose job has begun.
    """
    states = [RunState.QUEUED, RunState.RUNNING] if running else [RunState.QUEUED]
    with ledger_transaction(session):
        # In order of their ids, as everybody locks runs, so that no two wait for each other.
        open_runs = session.execute(
            select(TaskResult.id, TaskResult.state, Task)
            .join(TaskResult.task)
            .where(
                TaskResult.id.in_(run_ids),
                TaskResult.state.in_(states),
                Task.deleted_at.is_(None),
            )
            .order_by(TaskResult.id)
            .with_for_update(of=TaskResult)
        ).all()
        session.execute(
            update(TaskResult)
            .where(TaskResult.id.in_([run_id for run_id, _, _ in open_runs]))
            .values(
                state=RunState.CANCELLED,
                reason=f"Cancelled by {actor.name}."[:500],
                finished_at=now(session),
                process_id=None,
                not_before=None,
            ),
            execution_options={"synchronize_session": False},
        )
        changes = [
            Change(_subject(run_id, task), {"state": state}, {"state": RunState.CANCELLED})
            for run_id, state, task in open_runs
        ]
        record_many(session, actor, "cancelled", changes)
        done = {
            wanted: [run_id for run_id, state, _ in open_runs if state == wanted]
            for wanted in (RunState.QUEUED, RunState.RUNNING)
        }
    return Cancelled(done[RunState.QUEUED], done[RunState.RUNNING])


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which runs; what is None doesn't matter."""

    task_id: int | None = None
    launch_id: int | None = None
    job: str | None = None
    states: Collection[RunState] | None = None
    error_type: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause that joins the task."""
        columns = {
            TaskResult.task_id: self.task_id,
            TaskResult.launch_id: self.launch_id,
            TaskResult.job: self.job,
            TaskResult.error_type: self.error_type,
        }
        found = [column == value for column, value in columns.items() if value is not None]
        if self.states is not None:
            found.append(TaskResult.state.in_(self.states))
        return [Task.deleted_at.is_(None), *found]


def matching_runs(
    session: Session, which: Matching, *, batch: int = 1_000, most: int = MOST
) -> Iterator[list[int]]:
    """Ids of all runs that match now, in order, in batches.

    They are looked up at once, before the first batch: what is done to one batch doesn't
    change which the next ones are.

    Raises:
        TooManyRuns: If there are more than *most*, before anything was yielded.
    """
    ids = session.scalars(
        select(TaskResult.id)
        .join(TaskResult.task)
        .where(*which.conditions())
        .order_by(TaskResult.id)
        .limit(most + 1)
    ).all()
    session.rollback()
    if len(ids) > most:
        raise TooManyRuns(
            f"More than {most:,} runs match; nothing was done. Narrow the filter, by task or by state."
        )
    for begin in range(0, len(ids), batch):
        yield list(ids[begin : begin + batch])


def _wanted(run: TaskResult, job: Job | None) -> Wanted:
    # The worker checks the arguments, as it does with every run's.
    skipped = None if job else f"No job is registered under the name {run.job}."
    columns = {"job": run.job, "task_params": run.task_params, "retry_of": run.id}
    return Wanted(run.task, job, skipped, columns)


def _subject(run_id: int, task: Task) -> Subject:
    return Subject("run", run_id, f"Run {run_id} of {task}")
