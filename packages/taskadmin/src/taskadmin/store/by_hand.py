"""Launches that a person asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..jobs import Job
from ..jobs.masking import DOTS
from ..models import MASKED, Launch, LaunchKind, LaunchState, Overlap, RunState, Task, TaskSchedule
from .audit import Actor, Change, record_many, subject_of
from .clock import now
from .launches import OWNERSHIP
from .overlap import Placement, lock_schedules, note_occupancy, occupancies
from .results import WrittenRun, new_run, why_skipped, write_runs
from .transaction import ledger_transaction


class ManualLaunch(NamedTuple):
    """A person's launch and how many runs it queued."""

    launch_id: int
    runs: int
    #: False if the same click launched before.
    new: bool
    #: Rows that say why a task doesn't run.
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody asks for."""

    task: Task
    #: None if it isn't registered.
    job: Job | None
    #: Why it can't run, whatever else is going on.
    skipped: str | None = None
    #: Columns that differ from what the task says.
    columns: Mapping[str, Any] = field(default_factory=dict)


def launch_by_hand(
    session: Session,
    task_ids: Sequence[int],
    *,
    requested_by: int | None,
    request_key: UUID,
    owner: UUID,
    jobs: Mapping[str, Job],
    arguments: Mapping[str, Any] | None = None,
    masked: Collection[str] = (),
    actor: Actor | None = None,
) -> ManualLaunch:
    """Queue one run for each of *task_ids*, paused or not, and commit.

    The launch belongs to *owner*, who sends it and calls ``finish_launch``, or
    ``release`` when the broker is away. A task that must not overlap with itself is
    skipped or waits, as its schedule says.

    Args:
        request_key: Made with the form; the same key again launches nothing.
        arguments: Others than the task's, in their stored form, checked by its job's model;
            for one task only.
        masked: Names of those *arguments* that are never shown.
        actor: Who gets the entry in the audit trail; without one there is none.

    Raises:
        ValueError: If *arguments* are given for more than one task.
    """
    if arguments is not None and len(set(task_ids)) > 1:
        raise ValueError("Other arguments are for one task: its job has checked them.")

    def write() -> ManualLaunch:
        launch = open_by_hand(session, requested_by, request_key, owner)
        schedules = lock_schedules(session, task_ids)
        tasks = session.scalars(
            select(Task)
            .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
            .order_by(Task.id)
            .with_for_update(read=True, key_share=True)
        ).all()
        wanted = [_wanted(task, jobs.get(task.job), arguments, masked) for task in tasks]
        written = queue_by_hand(session, launch, wanted, schedules)
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

    return once(session, request_key, write)


def once(session: Session, request_key: UUID, write: Callable[[], ManualLaunch]) -> ManualLaunch:
    """Commit what *write* does, unless a launch has this key: then that one is the answer."""
    try:
        with ledger_transaction(session):
            return write()
    except IntegrityError:
        before = session.scalar(select(Launch).where(Launch.request_key == request_key))
        if before is None:
            raise
        return ManualLaunch(before.id, before.queued, False, before.skipped)


def open_by_hand(
    session: Session, requested_by: int | None, request_key: UUID, owner: UUID
) -> Launch:
    """Write a person's launch inside the caller's transaction."""
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


def queue_by_hand(
    session: Session,
    launch: Launch,
    wanted: Sequence[Wanted],
    schedules: Mapping[int, TaskSchedule],
) -> list[WrittenRun]:
    """Write a run for each of *wanted* inside the caller's transaction, in their order.

    Args:
        schedules: Those of the tasks, locked before the tasks were.
    """
    careful = [row for row in schedules.values() if row.overlap != Overlap.ALLOW]
    rooms = occupancies(session, careful)
    moment = now(session)
    rows: list[dict[str, Any]] = []
    of_task: dict[int, int] = {}
    for wish in wanted:
        task_id = wish.task.id
        placed = Placement(wish.skipped, None)
        if wish.skipped is None and task_id in rooms:
            placed = rooms[task_id].place()
        nth = of_task[task_id] = of_task.get(task_id, -1) + 1
        row = new_run(
            wish.task,
            wish.job,
            launch_id=launch.id,
            due_at=moment + timedelta(microseconds=nth),
            moment=moment,
            skipped=placed.skipped,
            not_before=placed.not_before,
            checked=True,
        )
        rows.append(row | {"retry_of": None} | dict(wish.columns))
    written = _write_all(session, rows)
    for run, row in zip(written, rows, strict=True):
        if run.state == RunState.QUEUED and run.task_id in rooms:
            rooms[run.task_id].written(run.id, row["not_before"])
    for task_id, room in rooms.items():
        note_occupancy(session, schedules[task_id], room)
    launch.queued = sum(run.state == RunState.QUEUED for run in written)
    launch.skipped = len(written) - launch.queued
    return written


def _write_all(session: Session, rows: Sequence[dict[str, Any]]) -> list[WrittenRun]:
    """Write every row; a due time that is taken moves on by a microsecond.

    It may be by the task's slot, or by another person's click.
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


def _wanted(
    task: Task, job: Job | None, arguments: Mapping[str, Any] | None, masked: Collection[str]
) -> Wanted:
    if arguments is None or job is None:
        return Wanted(task, job, why_skipped(task, job))
    marks = {MASKED: sorted(masked)} if masked else {}
    parameters = {**arguments, "author_id": task.created_by, **marks}
    return Wanted(task, job, columns={"task_params": parameters})


def _shown(arguments: Mapping[str, Any], masked: Collection[str]) -> dict[str, Any]:
    return {name: DOTS if name in masked else value for name, value in arguments.items()}
