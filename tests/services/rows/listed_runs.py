"""Finished runs of a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store.database import clock

_OPEN = (RunState.QUEUED, RunState.RUNNING)


def put_runs(session: Session, task: Task, states: Sequence[str], **more: Any) -> list[int]:
    """Add runs of *task* in these states, one per minute until now; return their ids, oldest first.

    Each took 2 s.
    """
    begin = clock.now(session) - timedelta(minutes=len(states))
    rows = [
        {
            "task_id": task.id,
            "launch_id": 1,
            "due_at": begin + timedelta(minutes=place),
            "job": task.job,
            "queue": "taskadmin.runs",
            "task_params": {"author_id": task.created_by},
            "state": state,
            "reason": "Paused." if state == RunState.SKIPPED else None,
            "queued_at": begin,
            "started_at": begin if state in (RunState.SUCCEEDED, RunState.FAILED) else None,
            "finished_at": None if state in _OPEN else begin + timedelta(seconds=2),
            "result": float(place) if state == RunState.SUCCEEDED else None,
            "token": uuid4() if state == RunState.RUNNING else None,
            "process_id": uuid4() if state == RunState.RUNNING else None,
            "error_type": "ValueError" if state == RunState.FAILED else None,
            **more,
        }
        for place, state in enumerate(states)
    ]
    statement = insert(TaskResult).returning(TaskResult.id, sort_by_parameter_order=True)
    ids = list(session.scalars(statement, rows))
    session.commit()
    return ids
