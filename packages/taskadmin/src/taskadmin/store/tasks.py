"""Tasks: what superusers create, edit and delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from ..errors import EditConflict
from ..jobs.masking import DOTS
from ..models import GENERATE_RANDOM_NUMBER, MASKED, RunState, Task, TaskPause, TaskResult
from ..models.base import utc_now
from ..texts import gettext
from .audit import Actor, Change, difference, record, record_many, subject_of
from .clock import now
from .schedules import DEFINITION, ScheduleInput, find_schedule, input_of, put_schedule
from .transaction import ledger_transaction


def _columns(job: str, arguments: Mapping[str, Any], masked: Collection[str]) -> dict[str, Any]:
    """Where a job's arguments are stored: ``Task.arguments`` reads them back."""
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
    arguments: Mapping[str, Any],
    job: str = GENERATE_RANDOM_NUMBER,
    masked: Collection[str] = (),
    name: str | None = None,
    enabled: bool = True,
    schedule: ScheduleInput | None = None,
    slot_interval_s: float = 300.0,
    actor: Actor | None = None,
    action: str = "created",
) -> Task:
    """Add and commit a task.

    Args:
        arguments: In their stored form, checked by the job's model before.
        masked: Names of the arguments that are never shown.
        schedule: Checked; None is the common slot.
        actor: Who gets the entry in the audit trail; by default the author.
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
            slot_interval_s=slot_interval_s,
            actor=actor,
            action=action,
        )


def add_task(
    session: Session,
    *,
    author_id: int,
    arguments: Mapping[str, Any],
    job: str,
    masked: Collection[str],
    name: str | None,
    enabled: bool,
    schedule: ScheduleInput | None,
    slot_interval_s: float,
    actor: Actor | None,
    action: str = "created",
) -> Task:
    """The same inside the caller's transaction."""
    moment = utc_now()  # read once, so that a new task doesn't look edited
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
    put_schedule(session, task.id, schedule, moment=now(session), slot_interval_s=slot_interval_s)
    if actor is not None:
        record(session, actor, action, subject_of(task), after=definition(task, schedule))
    return task


def update_task(
    session: Session,
    task: Task,
    *,
    version: int,
    arguments: Mapping[str, Any],
    name: str | None,
    enabled: bool,
    job: str | None = None,
    masked: Collection[str] = (),
    schedule: ScheduleInput | None = None,
    slot_interval_s: float = 300.0,
    actor: Actor | None = None,
) -> Task:
    """Change and commit a task; the author stays.

    Args:
        version: The task's version when the person began to edit it.
        job: Another job; None leaves it.

    Raises:
        EditConflict: If it was changed or deleted since then.
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
            slot_interval_s=slot_interval_s,
            actor=actor,
        )


def change_task(
    session: Session,
    task: Task,
    *,
    arguments: Mapping[str, Any],
    name: str | None,
    enabled: bool,
    job: str | None,
    masked: Collection[str],
    schedule: ScheduleInput | None,
    slot_interval_s: float,
    actor: Actor | None,
) -> Task:
    """The same inside the caller's transaction.

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
        # Before anything is done to the pause: this is what finds out who was faster.
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
    if put_schedule(session, task.id, schedule, moment=moment, slot_interval_s=slot_interval_s):
        # The schedule's row has no version: this one speaks for both.
        task.updated_at = utc_now()
        session.flush()
    if actor is not None:
        old, new = difference(before, definition(task, schedule))
        if new:
            record(session, actor, "changed", subject_of(task), before=old, after=new)
    return task


def conflict() -> EditConflict:
    """What is said to the second of two people who edit one task."""
    return EditConflict(
        gettext("Somebody else changed this task meanwhile: reload it and try again.")
    )


def clone_task(
    session: Session, task: Task, *, author_id: int, slot_interval_s: float, actor: Actor
) -> Task:
    """A paused copy of a task with its schedule, for people to change."""
    return create_task(
        session,
        author_id=author_id,
        arguments=task.arguments,
        masked=task.masked,
        job=task.job,
        name=f"Copy of {task}"[:200],
        enabled=False,
        schedule=input_of(find_schedule(session, task.id)),
        slot_interval_s=slot_interval_s,
        actor=actor,
        action="cloned",
    )


def definition(task: Task, schedule: ScheduleInput | None) -> dict[str, Any]:
    """What people set of a task, by name, for the audit trail; secrets are masked."""
    wanted = schedule or ScheduleInput()
    default = ScheduleInput()
    return {
        "name": task.name,
        "job": task.job,
        "enabled": task.enabled,
        **{
            f"arguments.{name}": DOTS if name in task.masked else value
            for name, value in task.arguments.items()
        },
        "kind": wanted.kind,
        **{
            field: getattr(wanted, field)
            for field in DEFINITION
            if getattr(wanted, field) != getattr(default, field)
        },
    }


class Counts(NamedTuple):
    """How many rows a deletion takes."""

    tasks: int
    results: int


def find_task(session: Session, task_id: int) -> Task | None:
    """A task with its author; None if there is none, or it is deleted."""
    return session.scalar(
        select(Task)
        .where(Task.id == task_id, Task.deleted_at.is_(None))
        .options(joinedload(Task.author))
    )


def count_tasks(session: Session, task_ids: Collection[int]) -> Counts:
    """What ``delete_tasks`` would take now."""
    living = select(Task.id).where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
    found = session.scalar(select(func.count()).select_from(living.subquery()))
    results = session.scalar(select(func.count()).where(TaskResult.task_id.in_(living)))
    return Counts(found or 0, results or 0)


def delete_tasks(
    session: Session, task_ids: Collection[int], *, actor: Actor | None = None
) -> Counts:
    """Delete tasks with their results, at once for people, bit by bit in the tables.

    Their open runs are cancelled, and workers drop what they hold of them. The rows
    are removed in small batches by the launcher: a task may have millions of results.
    """
    with ledger_transaction(session):
        return bury_tasks(session, task_ids, actor=actor)


def bury_tasks(
    session: Session, task_ids: Collection[int], *, actor: Actor | None = None
) -> Counts:
    """The same inside the caller's transaction; nothing but this may follow in it.

    Whoever queues runs holds schedules and then asks for tasks.
    """
    tasks = session.scalars(
        select(Task)
        .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
        .order_by(Task.id)
        .with_for_update()
    ).all()
    ids = [task.id for task in tasks]
    subjects = [subject_of(task) for task in tasks]
    # In order of their ids, as everybody locks runs, so that no two wait for each other.
    session.scalars(
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
    session.execute(
        update(TaskResult)
        .where(TaskResult.task_id.in_(ids), TaskResult.finished_at.is_(None))
        .values(
            state=RunState.CANCELLED,
            reason="Its task was deleted.",
            finished_at=moment,
            process_id=None,
            not_before=None,
        ),
        execution_options={"synchronize_session": False},
    )
    if actor is not None:
        record_many(session, actor, "deleted", [Change(subject) for subject in subjects])
    return Counts(len(ids), results or 0)
