"""Tasks: what superusers create, edit and delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.exc import StaleDataError

from ..errors import EditConflict
from ..models import GENERATE_RANDOM_NUMBER, Task, TaskResult
from ..models.base import utc_now
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
            .where(Task.id.in_(task_ids), Task.enabled.is_(not enabled))
            .values(enabled=enabled, version=Task.version + 1),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount


class Counts(NamedTuple):
    """How many rows a deletion takes."""

    tasks: int
    results: int


def find_task(session: Session, task_id: int) -> Task | None:
    """A task with its author."""
    return session.scalar(select(Task).where(Task.id == task_id).options(joinedload(Task.author)))


def count_tasks(session: Session, task_ids: Collection[int]) -> Counts:
    """What ``delete_tasks`` would take now."""
    found = session.scalar(select(func.count()).where(Task.id.in_(task_ids)))
    results = session.scalar(select(func.count()).where(TaskResult.task_id.in_(task_ids)))
    return Counts(found or 0, results or 0)


def delete_tasks(session: Session, task_ids: Collection[int]) -> Counts:
    """Delete tasks with their results. Runs of them that a worker still holds are dropped there."""
    with ledger_transaction(session):
        # Results first and by name: a host's SQLite may not enforce ON DELETE CASCADE.
        results: CursorResult[Any] = session.execute(
            delete(TaskResult).where(TaskResult.task_id.in_(task_ids)),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
        tasks: CursorResult[Any] = session.execute(
            delete(Task).where(Task.id.in_(task_ids)),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return Counts(tasks.rowcount, results.rowcount)
