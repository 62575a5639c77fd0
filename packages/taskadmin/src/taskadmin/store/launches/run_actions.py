"""Retry, cancel and delete runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session, contains_eager

from ...jobs import Job, all_jobs
from ...models import Launch, LaunchState, RunProgress, RunState, Task, TaskResult
from ...values.storable import escaped_text
from ..database.transaction import ledger_transaction
from ..people.audit import Actor, Change, Subject, record_many
from ..runs import transitions
from ..runs.lists import was_retried
from ..runs.overlap import lock_schedules
from ..runs.results import why_skipped
from .manual import ManualLaunch, RequestedRun, launch_once, open_manual_launch, queue_manual_runs


def retry_runs(
    session: Session,
    run_ids: Collection[int],
    *,
    actor: Actor,
    request_key: UUID,
    owner: UUID,
    jobs: Mapping[str, Job],
    as_tasks: bool = False,
    skip_retried: bool = False,
) -> ManualLaunch:
    """Queue a new run for each finished one, with its job and arguments, and commit.

    The finished runs don't change. Unfinished runs and runs of deleted tasks are left out. If a
    run's job isn't registered any more, or it would overlap where its task forbids it, the new run
    is skipped with the reason.

    Args:
        request_key: Made with the form; a repeated key launches nothing.
        owner: Publishes the launch and calls ``finish_launch``, or ``release``.
        as_tasks: Use the job and arguments that the tasks have now instead.
        skip_retried: Leave out runs of which a retry exists.
    """

    def write() -> ManualLaunch:
        launch = open_manual_launch(session, actor.user_id, request_key, owner)
        finished = TaskResult.id.in_(run_ids) & TaskResult.finished_at.is_not(None)
        task_ids = session.scalars(select(TaskResult.task_id).where(finished).distinct()).all()
        schedules = lock_schedules(session, task_ids)
        if skip_retried:
            # Of two people, the second one sees the retries of the first.
            of_runs = select(TaskResult.id).where(finished).order_by(TaskResult.id)
            session.execute(of_runs.with_for_update(key_share=True))
        runs = session.scalars(
            select(TaskResult)
            .join(TaskResult.task)
            .where(finished, Task.deleted_at.is_(None), *([~was_retried()] if skip_retried else []))
            .order_by(TaskResult.id)
            .options(contains_eager(TaskResult.task))
            # Only the tasks: finished runs never change.
            .with_for_update(of=Task, read=True, key_share=True)
        ).all()
        requested = [
            _as_task(run, jobs.get(run.task.job)) if as_tasks else _as_run(run, jobs.get(run.job))
            for run in runs
        ]
        written = queue_manual_runs(session, launch, requested, schedules)
        changes = [
            Change(_subject(run.id, run.task), after={"run": new.id})
            for run, new in zip(runs, written, strict=True)
        ]
        record_many(session, actor, "retried", changes)
        return ManualLaunch(launch.id, launch.queued, True, launch.skipped)

    return launch_once(session, request_key, write)


class CancelledRuns(NamedTuple):
    """The cancelled runs, by their state before."""

    queued: Sequence[int]
    #: Their jobs run on until they are terminated.
    running: Sequence[int]
    #: The queued runs that may be executing: their jobs don't record their start.
    unseen: Sequence[int] = ()


def cancel_runs(
    session: Session, run_ids: Collection[int], *, actor: Actor, running: bool = False
) -> CancelledRuns:
    """Cancel unfinished runs and commit; later outcomes aren't recorded.

    Args:
        running: Whether to cancel running runs too.
    """
    states = [RunState.QUEUED, RunState.RUNNING] if running else [RunState.QUEUED]
    with ledger_transaction(session):
        # In order of their ids like everywhere, so that transactions don't deadlock.
        open_runs = session.execute(
            select(TaskResult.id, TaskResult.state, TaskResult.job, Task)
            .join(TaskResult.task)
            .where(
                TaskResult.id.in_(run_ids),
                TaskResult.state.in_(states),
                Task.deleted_at.is_(None),
            )
            .order_by(TaskResult.id)
            .with_for_update(of=TaskResult)
        ).all()
        reason = escaped_text(f"Cancelled by {actor.name}.")[:500]
        transitions.cancel(session, [run_id for run_id, *_ in open_runs], reason=reason)
        changes = [
            Change(_subject(run_id, task), {"state": state}, {"state": RunState.CANCELLED})
            for run_id, state, _, task in open_runs
        ]
        record_many(session, actor, "cancelled", changes)
        done = {
            before: {run_id: job for run_id, state, job, _ in open_runs if state == before}
            for before in (RunState.QUEUED, RunState.RUNNING)
        }
    unclaimed = {job.name for job in all_jobs().values() if not job.record_start}
    unseen = [run_id for run_id, job in done[RunState.QUEUED].items() if job in unclaimed]
    return CancelledRuns(list(done[RunState.QUEUED]), list(done[RunState.RUNNING]), unseen)


class DeletedRuns(NamedTuple):
    """The deleted runs."""

    run_ids: Sequence[int]
    #: Number of failed runs that were kept, because a launcher may return to their launch.
    too_early: int


def delete_runs(session: Session, run_ids: Collection[int], *, actor: Actor) -> DeletedRuns:
    """Delete failed runs for good and commit; runs in other states stay.

    A run is deleted only if its launch is closed, or was sent beyond it: no launcher inserts or
    sends it again, and the launch's row keeps its due time from being launched again (pruning
    relies on the same). The audit trail gets an entry for each job and exception.
    """
    with ledger_transaction(session):
        # In order of their ids like everywhere, so that transactions don't deadlock.
        failed = session.execute(
            select(
                TaskResult.id, TaskResult.job, TaskResult.error_type, _is_done_with().label("done")
            )
            .join(TaskResult.task)
            .outerjoin(Launch, Launch.id == TaskResult.launch_id)
            .where(
                TaskResult.id.in_(run_ids),
                TaskResult.state == RunState.FAILED,
                TaskResult.finished_at.is_not(None),
                Task.deleted_at.is_(None),
            )
            .order_by(TaskResult.id)
            .with_for_update(of=TaskResult)
        ).all()
        ids = [run.id for run in failed if run.done]
        for model, column in ((RunProgress, RunProgress.run_id), (TaskResult, TaskResult.id)):
            session.execute(
                delete(model).where(column.in_(ids)),
                execution_options={"synchronize_session": False},
            )
        groups: dict[tuple[str, str], list[int]] = {}
        for run in failed:
            if run.done:
                groups.setdefault((run.job, run.error_type or ""), []).append(run.id)
        record_many(session, actor, "deleted", [_group(*key, of) for key, of in groups.items()])
    return DeletedRuns(ids, len(failed) - len(ids))


def _is_done_with() -> ColumnElement[bool]:
    """Return a condition for runs that no launcher will return to."""
    return or_(
        Launch.id.is_(None),  # pruned, which happens to closed launches only
        Launch.closed_at.is_not(None),
        and_(Launch.state == LaunchState.PUBLISHED, Launch.published_id >= TaskResult.id),
    )


def _group(job: str, error_type: str, run_ids: Sequence[int]) -> Change:
    count = "1 failed run" if len(run_ids) == 1 else f"{len(run_ids):,} failed runs"
    subject = Subject("run", run_ids[-1], f"{count} of {job}: {error_type or 'no error'}")
    counts = {"runs": len(run_ids), "first": run_ids[0], "last": run_ids[-1]}
    return Change(subject, before={"job": job, "error_type": error_type, **counts})


def _as_task(run: TaskResult, job: Job | None) -> RequestedRun:
    return RequestedRun(run.task, job, why_skipped(run.task, job), {"retry_of": run.id})


def _as_run(run: TaskResult, job: Job | None) -> RequestedRun:
    # The worker validates the arguments, as for every run.
    skipped = None if job else f"No job named {run.job} is registered."
    columns = {"job": run.job, "task_params": run.task_params, "retry_of": run.id}
    return RequestedRun(run.task, job, skipped, columns)


def _subject(run_id: int, task: Task) -> Subject:
    return Subject("run", run_id, f"Run {run_id} of {task}")
