"""Why paused tasks don't run, in words, for the rows that say so."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models import TaskPause, User


def reasons_of_pauses(session: Session, task_ids: Collection[int]) -> dict[int, str]:
    """For each of these paused tasks: by whom, and their note."""
    if not task_ids:
        return {}
    rows = session.execute(
        select(TaskPause.task_id, User.username, TaskPause.note)
        .outerjoin(User, User.id == TaskPause.paused_by)
        .where(TaskPause.task_id.in_(task_ids))
    )
    told = {row.task_id: _reason(row.username, row.note) for row in rows}
    return {task_id: told.get(task_id, "Paused.") for task_id in task_ids}


def _reason(username: str | None, note: str | None) -> str:
    if username is None:
        return note or "Paused."  # taskadmin's own notes say it all
    return f"Paused by {username}: {note}" if note else f"Paused by {username}."
