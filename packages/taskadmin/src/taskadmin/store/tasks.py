"""Tasks: what superusers create, edit and delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from ..errors import EditConflict
from ..models import GENERATE_RANDOM_NUMBER, RunState, Task, TaskResult
from ..models.base import utc_now
from .clock import now
from .transaction import ledger_transaction


def _columns(job: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Where a job's arguments are stored: ``Task.arguments`` reads them back."""
    if job == GENERATE_RANDOM_NUMBER:
        return {
            "lower_limit": arguments["lower_limit"],
            "upper_limit": arguments["upper_limit"],
            "params": {},
        }
    return {"lower_limit": None, "upper_limit": None, "params": dict(arguments)}


def create_task(
    session: Session,
    *,
    author_id: int,
    arguments: Mapping[str, Any],
    job: str = GENERATE_RANDOM_NUMBER,
    name: str | None = None,
    enabled: bool = True,
) -> Task:
    """Add and commit a task. *arguments* are checked by the job's model before."""
    moment = utc_now()  # read once, so that a new task doesn't look edited
    task = Task(
        name=name,
        job=job,
        enabled=enabled,
        created_by=author_id,
        created_at=moment,
        updated_at=moment,
        **_columns(job, arguments),
    )
    session.add(task)
    session.commit()
    return task


def update_task(
    session: Session,
    task: Task,
    *,
    version: int,
    arguments: Mapping[str, Any],
    name: str | None,
    enabled: bool,
) -> Task:
    """Change and commit a task; the author stays.

    Args:
        version: The task's version when the person began to edit it.

    Raises:
        EditConflict: If it was changed or deleted since then.
    """
    if task.version != version:
        raise EditConflict
    task.name = name
    task.enabled = enabled
    for column, value in _columns(task.job, arguments).items():
        setattr(task, column, value)
    try:
        session.commit()
    except StaleDataError as error:
        session.rollback()
        raise EditConflict from error
    return task


def set_enabled(session: Session, task_ids: Collection[int], enabled: bool) -> int:
    """Enable or disable tasks and return how many changed."""
    with ledger_transaction(session):
        done: CursorResult[Any] = session.execute(
            update(Task)
            .where(Task.id.in_(task_ids), Task.deleted_at.is_(None), Task.enabled.is_(not enabled))
            .values(enabled=enabled, version=Task.version + 1),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount


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


def delete_tasks(session: Session, task_ids: Collection[int]) -> Counts:
    """Delete tasks with their results, at once for people, bit by bit in the tables.

    Their open runs are cancelled, and workers drop what they hold of them. The rows
    are removed in small batches by the launcher: a task may have millions of results.
    """
    with ledger_transaction(session):
        ids = session.scalars(
            select(Task.id)
            .where(Task.id.in_(task_ids), Task.deleted_at.is_(None))
            .order_by(Task.id)
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
    return Counts(len(ids), results or 0)
