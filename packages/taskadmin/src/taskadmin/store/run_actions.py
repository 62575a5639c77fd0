"""What people do to runs: retry and cancel them, and delete failed ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session, contains_eager

from ..jobs import Job
from ..models import Launch, LaunchState, RunProgress, RunState, Task, TaskResult
from .audit import Actor, Change, Subject, record_many
from .by_hand import ManualLaunch, Wanted, once, open_by_hand, queue_by_hand
from .clock import now
from .overlap import lock_schedules
from .transaction import ledger_transaction


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


class Discarded(NamedTuple):
    """Which runs were deleted."""

    run_ids: Sequence[int]
    #: How many of the others are failed, too: a launcher may come back to their launch.
    too_early: int


def discard_runs(session: Session, run_ids: Collection[int], *, actor: Actor) -> Discarded:
    """Delete failed runs for good, and commit; those that aren't failed stay.

    A run goes only when its launch is closed, or sent beyond it: nothing writes, sends or
    completes it any more, and its launch's row keeps its due time from being launched again
    (pruning rests on the same). The audit trail gets an entry for each job and exception.
    """
    with ledger_transaction(session):
        # In order of their ids, as everybody locks runs, so that no two wait for each other.
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
        for model, column in ((RunProgress, RunProgress.result_id), (TaskResult, TaskResult.id)):
            session.execute(
                delete(model).where(column.in_(ids)),
                execution_options={"synchronize_session": False},
            )
        groups: dict[tuple[str, str], list[int]] = {}
        for run in failed:
            if run.done:
                groups.setdefault((run.job, run.error_type or ""), []).append(run.id)
        record_many(session, actor, "discarded", [_group(*key, of) for key, of in groups.items()])
    return Discarded(ids, len(failed) - len(ids))


def _is_done_with() -> ColumnElement[bool]:
    """Whether no launcher will come back to a run."""
    return or_(
        Launch.id.is_(None),  # pruned, which only closed ones are
        Launch.closed_at.is_not(None),
        and_(Launch.state == LaunchState.PUBLISHED, Launch.published_id >= TaskResult.id),
    )


def _group(job: str, error_type: str, run_ids: Sequence[int]) -> Change:
    count = "1 failed run" if len(run_ids) == 1 else f"{len(run_ids):,} failed runs"
    subject = Subject("run", run_ids[-1], f"{count} of {job}: {error_type or 'no error'}")
    told = {"runs": len(run_ids), "first": run_ids[0], "last": run_ids[-1]}
    return Change(subject, before={"job": job, "error_type": error_type, **told})


def _wanted(run: TaskResult, job: Job | None) -> Wanted:
    # The worker checks the arguments, as it does with every run's.
    skipped = None if job else f"No job is registered under the name {run.job}."
    columns = {"job": run.job, "task_params": run.task_params, "retry_of": run.id}
    return Wanted(run.task, job, skipped, columns)


def _subject(run_id: int, task: Task) -> Subject:
    return Subject("run", run_id, f"Run {run_id} of {task}")
