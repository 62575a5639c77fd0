"""Runs of tasks that are still there."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from ..models import Task, TaskResult


def is_of_living_task() -> ColumnElement[bool]:
    """Whether a run's task isn't deleted, for a WHERE clause.

    Of deleted tasks there are few, and they have an index: that is read once, where a join
    would look at the task of each run.
    """
    return TaskResult.task_id.not_in(select(Task.id).where(Task.deleted_at.is_not(None)))
