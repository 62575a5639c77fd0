"""Constraints of the table of runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import Task, TaskResult

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def run(task: Task, **values: Any) -> dict[str, Any]:
    """A queued run's columns, changed by *values*."""
    return {
        "task_id": task.id,
        "launch_id": 1,
        "due_at": MOMENT,
        "job": task.job,
        "queue": "taskadmin.runs",
        "task_params": {},
        "state": "queued",
        "queued_at": MOMENT,
        **values,
    }


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "lost"}, "state"),
        ({"state": "succeeded"}, "finished_at"),
        ({"state": "queued", "finished_at": MOMENT}, "finished_at"),
        ({"state": "running"}, "running_owner"),
        ({"state": "running", "token": uuid4()}, "running_owner"),
        ({"state": "skipped", "finished_at": MOMENT}, "skipped_reason"),
    ],
)
def test_a_run_is_in_a_state_that_makes_sense(
    session: Session, make_task: MakeTask, values: dict[str, Any], constraint: str
) -> None:
    """Finished runs have their time, running ones their owner, skipped ones their reason."""
    task = make_task()
    with pytest.raises(IntegrityError, match=f"taskadmin_task_result_{constraint}_check"):
        session.execute(insert(TaskResult), [run(task, **values)])


def test_a_task_has_one_run_for_a_due_time(session: Session, make_task: MakeTask) -> None:
    """So that repeating a launch is harmless."""
    task = make_task()
    session.execute(insert(TaskResult), [run(task)])
    with pytest.raises(IntegrityError, match=r"task_id.*due_at"):
        session.execute(insert(TaskResult), [run(task, launch_id=2)])
