"""Create, change and delete tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from ...errors import EditConflict
from ...jobs.arguments.masking import DOTS
from ...models import GENERATE_RANDOM_NUMBER, MASKED, Task, TaskPause, TaskResult
from ...models.columns.times import utc_now
from ...translation.texts import gettext
from ..database.clock import now
from ..database.transaction import ledger_transaction
from ..people.audit import Actor, Change, difference, record, record_many, subject_of
from ..runs.transitions import cancel
from .schedules import DEFINITION, ScheduleInput, find_schedule, input_of, put_schedule


def _columns(
    job: str, arguments: Mapping[str, object], masked: Collection[str]
) -> dict[str, object]:
    """Return the columns that store a job's arguments; ``Task.arguments`` reads them."""
    if job == GENERATE_RANDOM_NUMBER:
        return {
            "lower_limit": arguments["lower_limit"],
            "upper_limit": arguments["upper_limit"],
            "params": {},
        }
    params = dict(arguments)
    if masked:
        params[MASKED] = sorted(masked)
    return {"lower_limit": None, "upper_limit": None, "params": params}


def create_task(
    session: Session,
    *,
    author_id: int,
    arguments: Mapping[str, object],
    job: str = GENERATE_RANDOM_NUMBER,
    masked: Collection[str] = (),
    name: str | None = None,
    enabled: bool = True,
    schedule: ScheduleInput | None = None,
    slot_interval_seconds: float = 300.0,
    actor: Actor | None = None,
    action: str = "created",
) -> Task:
    """Add a task and commit.

    Args:
        arguments: In stored form, validated by the job's model.
        masked: Names of the arguments that are never shown.
        schedule: Validated; None is the common slot.
        actor: Named in the audit entry; None writes no entry.
    """
    with ledger_transaction(session):
        return add_task(
            session,
            author_id=author_id,
            arguments=arguments,
            job=job,
            masked=masked,
            name=name,
            enabled=enabled,
            schedule=schedule,
            slot_interval_seconds=slot_interval_seconds,
            actor=actor,
            action=action,
        )


def add_task(
    session: Session,
    *,
    author_id: int,
    arguments: Mapping[str, object],
    job: str,
    masked: Collection[str],
    name: str | None,
    enabled: bool,
    schedule: ScheduleInput | None,
    slot_interval_seconds: float,
    actor: Actor | None,
    action: str = "created",
) -> Task:
    """Add a task, inside the caller's transaction."""
    moment = utc_now()  # one time for both columns, so that a new task doesn't look edited
    task = Task(
        name=name,
        job=job,
        enabled=enabled,
        created_by=author_id,
        created_at=moment,
        updated_at=moment,
        **_columns(job, arguments, masked),
    )
    session.add(task)
    session.flush()
    if not enabled:
        session.add(TaskPause(task_id=task.id, paused_at=now(session), paused_by=author_id))
    put_schedule(
        session, task.id, schedule, moment=now(session), slot_interval_seconds=slot_interval_seconds
    )
    if actor is not None:
        record(session, actor, action, subject_of(task), after=definition(task, schedule))
    return task


def update_task(
    session: Session,
    task: Task,
    *,
    version: int,
    arguments: Mapping[str, object],
    name: str | None,
    enabled: bool,
    job: str | None = None,
    masked: Collection[str] = (),
    schedule: ScheduleInput | None = None,
    slot_interval_seconds: float = 300.0,
    actor: Actor | None = None,
) -> Task:
    """Change a task and commit; the author stays.

    Args:
        version: The task's version when the person began to edit it.
        job: Another job; None keeps it.

    Raises:
        EditConflict: If the task was changed or deleted since.
    """
    if task.version != version:
        raise conflict()
    with ledger_transaction(session):
        return change_task(
            session,
            task,
            arguments=arguments,
            name=name,
            enabled=enabled,
            job=job,
            masked=masked,
            schedule=schedule,
            slot_interval_seconds=slot_interval_seconds,
            actor=actor,
        )


def change_task(
    session: Session,
    task: Task,
    *,
    arguments: Mapping[str, object],
    name: str | None,
    enabled: bool,
    job: str | None,
    masked: Collection[str],
    schedule: ScheduleInput | None,
    slot_interval_seconds: float,
    actor: Actor | None,
) -> Task:
    """Change a task, inside the caller's transaction.

    Raises:
        EditConflict: If the task was changed since it was read.
    """
    before = definition(task, input_of(find_schedule(session, task.id)))
    moment = now(session)
    task.name = name
    task.job = job or task.job
    pause = task.enabled and not enabled
    unpause = enabled and not task.enabled
    task.enabled = enabled
    for column, value in _columns(task.job, arguments, masked).items():
        setattr(task, column, value)
    try:
        # Before the pause is changed: the flush detects concurrent edits by the version.
        session.flush()
    except StaleDataError as error:
        raise conflict() from error
    if pause:
        by = actor.user_id if actor else None
        session.add(TaskPause(task_id=task.id, paused_at=moment, paused_by=by))
    if unpause:
        session.execute(
            delete(TaskPause).where(TaskPause.task_id == task.id),
            execution_options={"synchronize_session": False},
        )
    if put_schedule(
        session, task.id, schedule, moment=moment, slot_interval_seconds=slot_interval_seconds
    ):
        # The schedule's row has no version, so the task's version covers it.
        task.updated_at = utc_now()
        session.flush()
    if actor is not None:
        old, new = difference(before, definition(task, schedule))
        if new:
            record(session, actor, "changed", subject_of(task), before=old, after=new)
    return task


def conflict() -> EditConflict:
    """Return the error for the second of two people who edit a task at once."""
    return EditConflict(
        gettext("Someone else changed this task in the meantime: reload it and try again.")
    )


def clone_task(
    session: Session, task: Task, *, author_id: int, slot_interval_seconds: float, actor: Actor
) -> Task:
    """Create a paused copy of a task with its schedule, for people to change."""
    return create_task(
        session,
        author_id=author_id,
        arguments=task.arguments,
        masked=task.masked,
        job=task.job,
        name=f"Copy of {task}"[:200],
        enabled=False,
        schedule=input_of(find_schedule(session, task.id)),
        slot_interval_seconds=slot_interval_seconds,
        actor=actor,
        action="cloned",
    )


def definition(task: Task, schedule: ScheduleInput | None) -> dict[str, object]:
    """Return a task's definition by name for the audit trail; secrets are masked."""
    chosen = schedule or ScheduleInput()
    default = ScheduleInput()
    return {
        "name": task.name,
        "job": task.job,
        "enabled": task.enabled,
        **{
            f"arguments.{name}": DOTS if name in task.masked else value
            for name, value in task.arguments.items()
        },
        "kind": chosen.kind,
        **{
            field: getattr(chosen, field)
            for field in DEFINITION
            if getattr(chosen, field) != getattr(default, field)
        },
    }


class DeletionCounts(NamedTuple):
    """Number of deleted tasks and results."""

    tasks: int
    results: int


def find_task(session: Session, task_id: int) -> Task | None:
    """Return a task with its author; None if it doesn't exist or is deleted."""
    return session.scalar(
        select(Task)
        .where(Task.id == task_id, Task.deleted_at.is_(None))
        .options(joinedload(Task.author))
    )


def tasks_named(session: Session, name: str) -> Sequence[Task]:
    """Return at most ten tasks with this name, with their authors: enough to show duplicates."""
    return session.scalars(
        select(Task)
        .where(Task.name == name, Task.deleted_at.is_(None))
        .order_by(Task.id)
        .limit(10)
        .options(joinedload(Task.author))
    ).all()


def count_tasks(session: Session, task_ids: Collection[int]) -> DeletionCounts:
    """Count what ``delete_tasks`` would delete now."""
    existing = select(Task.id).where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
    tasks = session.scalar(select(func.count()).select_from(existing.subquery()))
    results = session.scalar(select(func.count()).where(TaskResult.task_id.in_(existing)))
    return DeletionCounts(tasks or 0, results or 0)


def delete_tasks(
    session: Session,
    task_ids: Collection[int],
    *,
    version: int | None = None,
    actor: Actor | None = None,
) -> DeletionCounts:
    """Delete tasks with their results: at once for people, in batches in the tables.

    Open runs are cancelled, and workers drop those that they hold. The launcher deletes the rows in
    small batches, since a task may have millions of results.

    Raises:
        EditConflict: If a task has another version than *version*.
    """
    with ledger_transaction(session):
        if version is not None:
            locked = select(Task.version).where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
            if any(one != version for one in session.scalars(locked.with_for_update())):
                raise conflict()
        return mark_tasks_deleted(session, task_ids, actor=actor)


def mark_tasks_deleted(
    session: Session, task_ids: Collection[int], *, actor: Actor | None = None
) -> DeletionCounts:
    """Mark tasks deleted, inside the caller's transaction; it must be the last step.

    Launchers that queue runs lock schedules first and tasks second.
    """
    tasks = session.scalars(
        select(Task)
        .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
        .order_by(Task.id)
        .with_for_update()
    ).all()
    ids = [task.id for task in tasks]
    subjects = [subject_of(task) for task in tasks]
    # In order of their ids like everywhere, so that transactions don't deadlock.
    open_runs = session.scalars(
        select(TaskResult.id)
        .where(TaskResult.task_id.in_(ids), TaskResult.finished_at.is_(None))
        .order_by(TaskResult.id)
        .with_for_update()
    ).all()
    moment = now(session)
    results = session.scalar(select(func.count()).where(TaskResult.task_id.in_(ids)))
    session.execute(
        update(Task)
        .where(Task.id.in_(ids))
        .values(deleted_at=moment, enabled=False, version=Task.version + 1),
        execution_options={"synchronize_session": False},
    )
    cancel(session, open_runs, reason="Its task was deleted.")
    if actor is not None:
        record_many(session, actor, "deleted", [Change(subject) for subject in subjects])
    return DeletionCounts(len(ids), results or 0)
