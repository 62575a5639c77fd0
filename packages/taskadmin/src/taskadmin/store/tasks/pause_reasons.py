"""Reasons of skipped runs of paused tasks."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...models import TaskPause, User


def pause_reasons(session: Session, task_ids: Collection[int]) -> dict[int, str]:
    """Return a reason for each of these paused tasks: who paused it, and the note."""
    if not task_ids:
        return {}
    rows = session.execute(
        select(TaskPause.task_id, User.username, TaskPause.note)
        .outerjoin(User, User.id == TaskPause.paused_by)
        .where(TaskPause.task_id.in_(task_ids))
    )
    reasons = {row.task_id: _reason(row.username, row.note) for row in rows}
    return {task_id: reasons.get(task_id, "Paused.") for task_id in task_ids}


def _reason(username: str | None, note: str | None) -> str:
    if username is None:
        return note or "Paused."  # taskadmin's own notes are complete sentences
    return f"Paused by {username}: {note}" if note else f"Paused by {username}."
