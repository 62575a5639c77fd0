"""Columns of exported tasks."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from ...models import Task
from ...store.reports.matching_tasks import MatchingTasks, tasks_in_batches
from ...store.tasks.arguments import arguments_of
from ...store.tasks.schedules import words_of
from ...values.showable import showable
from ..flask_admin.export import Batches, own_session

TASK_COLUMNS = (
    *("id", "name", "job", "arguments", "schedule", "zone", "enabled", "author"),
    *("created_at", "updated_at"),
)


def exported_tasks(
    bind: Engine | Connection, which: MatchingTasks, *, slot_interval_seconds: float
) -> Batches:
    """All tasks that match, in order of their ids."""
    with own_session(bind) as session:
        for tasks in tasks_in_batches(session, which):
            yield [_row(task, slot_interval_seconds) for task in tasks]


def _row(task: Task, slot_interval_seconds: float) -> dict[str, object]:
    # Outside of a request these texts are English, as the column names are.
    more = {
        "arguments": arguments_of(task),
        "schedule": words_of(task.schedule, slot_interval_seconds),
        "zone": task.schedule.zone if task.schedule is not None else None,
        "author": task.author_name,
    }
    return {
        name: showable(more[name] if name in more else getattr(task, name)) for name in TASK_COLUMNS
    }
