"""Launches requested by people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...jobs import Job
from ...jobs.arguments.masking import DOTS
from ...models import MASKED, Launch, LaunchKind, LaunchState, Overlap, RunState, Task, TaskSchedule
from ...values.storable import check_value
from ..database.clock import now
from ..database.transaction import ledger_transaction
from ..people.audit import Actor, Change, record_many, subject_of
from ..runs.overlap import Placement, lock_schedules, note_occupancy, occupancies
from ..runs.results import WrittenRun, new_run, why_skipped, write_runs
from .launches import OWNERSHIP


class ManualLaunch(NamedTuple):
    """A person's launch and how many runs it queued."""

    launch_id: int
    runs: int
    #: False if the same request key launched before.
    new: bool
    #: Number of skipped runs.
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """A run that a person requests."""

    task: Task
    #: None if the job isn't registered.
    job: Job | None
    #: Why it can't run, regardless of overlaps.
    skipped: str | None = None
    #: Columns that differ from the task's values.
    columns: Mapping[str, Any] = field(default_factory=dict)


def launch_manually(
    session: Session,
    task_ids: Sequence[int],
    *,
    requested_by: int | None,
    request_key: UUID,
    owner: UUID,
    jobs: Mapping[str, Job],
    arguments: Mapping[str, object] | None = None,
    masked: Collection[str] = (),
    actor: Actor | None = None,
) -> ManualLaunch:
    """Queue one run for each of *task_ids*, paused or not, and commit.

    The launch belongs to *owner*, who publishes it and calls ``finish_launch``, or ``release`` if
    the broker is unreachable. If a task must not overlap with itself, its run is skipped or waits,
    as its schedule says.

    Args:
        request_key: Made with the form; a repeated key launches nothing.
        arguments: Override the task's arguments, in stored form and validated by the job's model;
            for one task only.
        masked: Names of those *arguments* that are never shown.
        actor: Named in the audit entry; None writes no entry.

    Raises:
        ValueError: If *arguments* are given for more than one task.
        Unstorable: If some reader couldn't show *arguments*.
    """
    check_value(arguments)
    if arguments is not None and len(set(task_ids)) > 1:
        raise ValueError("Arguments can be overridden for one task only: its job has checked them.")

    def write() -> ManualLaunch:
        launch = open_manual_launch(session, requested_by, request_key, owner)
        schedules = lock_schedules(session, task_ids)
        tasks = session.scalars(
            select(Task)
            .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
            .order_by(Task.id)
            .with_for_update(read=True, key_share=True)
        ).all()
        requested = [_requested(task, jobs.get(task.job), arguments, masked) for task in tasks]
        written = queue_manual_runs(session, launch, requested, schedules)
        if actor is not None:
            shown = {} if arguments is None else {"arguments": _shown(arguments, masked)}
            record_many(
                session,
                actor,
                "started",
                [
                    Change(subject_of(task), after={"run": run.id, **shown})
                    for task, run in zip(tasks, written, strict=True)
                ],
            )
        return ManualLaunch(launch.id, launch.queued, True, launch.skipped)

    return launch_once(session, request_key, write)


def launch_once(
    session: Session, request_key: UUID, write: Callable[[], ManualLaunch]
) -> ManualLaunch:
    """Commit what *write* does, or return the launch that already has this key."""
    try:
        with ledger_transaction(session):
            return write()
    except IntegrityError:
        before = session.scalar(select(Launch).where(Launch.request_key == request_key))
        if before is None:
            raise
        return ManualLaunch(before.id, before.queued, False, before.skipped)


def open_manual_launch(
    session: Session, requested_by: int | None, request_key: UUID, owner: UUID
) -> Launch:
    """Insert a person's launch, inside the caller's transaction."""
    moment = now(session)
    launch = Launch(
        kind=LaunchKind.MANUAL,
        state=LaunchState.OPENING,
        requested_by=requested_by,
        request_key=request_key,
        owner=owner,
        owner_until=moment + OWNERSHIP,
        opened_at=moment,
    )
    session.add(launch)
    session.flush()
    return launch


def queue_manual_runs(
    session: Session,
    launch: Launch,
    requested: Sequence[RequestedRun],
    schedules: Mapping[int, TaskSchedule],
) -> list[WrittenRun]:
    """Insert a run for each of *requested* in their order, inside the caller's transaction.

    Args:
        schedules: The tasks' schedules, locked before the tasks were.
    """
    exclusive = [row for row in schedules.values() if row.overlap != Overlap.ALLOW]
    occupied = occupancies(session, exclusive)
    moment = now(session)
    rows: list[dict[str, Any]] = []
    of_task: dict[int, int] = {}
    for one in requested:
        task_id = one.task.id
        placed = Placement(one.skipped, None)
        if one.skipped is None and task_id in occupied:
            placed = occupied[task_id].place()
        nth = of_task[task_id] = of_task.get(task_id, -1) + 1
        row = new_run(
            one.task,
            one.job,
            launch_id=launch.id,
            due_at=moment + timedelta(microseconds=nth),
            moment=moment,
            skipped=placed.skipped,
            not_before=placed.not_before,
            checked=True,
        )
        rows.append(row | {"retry_of": None} | dict(one.columns))
    written = _write_all(session, rows)
    for run, row in zip(written, rows, strict=True):
        if run.state == RunState.QUEUED and run.task_id in occupied:
            occupied[run.task_id].written(run.id, row["not_before"])
    for task_id, occupancy in occupied.items():
        note_occupancy(schedules[task_id], occupancy)
    launch.queued = sum(run.state == RunState.QUEUED for run in written)
    launch.skipped = len(written) - launch.queued
    return written


def _write_all(session: Session, rows: Sequence[dict[str, Any]]) -> list[WrittenRun]:
    """Insert every row; a due time that exists is moved by a microsecond.

    The task's slot may have it, or another person's launch.
    """
    written: dict[int, WrittenRun] = {}
    pending = dict(enumerate(rows))
    while pending:
        new = {(run.task_id, run.due_at): run for run in write_runs(session, pending.values())}
        for place, row in list(pending.items()):
            run = new.get((row["task_id"], row["due_at"]))
            if run is None:
                row["due_at"] += timedelta(microseconds=1)
            else:
                written[place] = run
                del pending[place]
    return [written[place] for place in range(len(rows))]


def _requested(
    task: Task, job: Job | None, arguments: Mapping[str, object] | None, masked: Collection[str]
) -> RequestedRun:
    if arguments is None or job is None:
        return RequestedRun(task, job, why_skipped(task, job))
    marks = {MASKED: sorted(masked)} if masked else {}
    parameters = {**arguments, "author_id": task.created_by, **marks}
    return RequestedRun(task, job, columns={"task_params": parameters})


def _shown(arguments: Mapping[str, object], masked: Collection[str]) -> dict[str, Any]:
    return {name: DOTS if name in masked else value for name, value in arguments.items()}
