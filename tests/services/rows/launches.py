"""Launches and runs in any state, for pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from taskadmin.models import Launch, LaunchKind, LaunchState, RunState, TaskResult
from taskadmin.store.database.clock import now

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def add_launch(
    session: Session,
    task_id: int,
    counts: Mapping[RunState, int] | None = None,
    *,
    lost: int = 0,
    run: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Launch:
    """Add a launch by schedules with the given number of runs in each state, and commit.

    Args:
        lost: Number of its runs that were deleted.
        run: Columns of all its runs.
        columns: Columns of the launch.
    """
    counts = counts or {}
    skipped = counts.get(RunState.SKIPPED, 0)
    launch = Launch(
        **{
            "kind": LaunchKind.DUE,
            "state": LaunchState.PUBLISHED,
            "opened_at": OPENED,
            "queued": sum(counts.values()) + lost - skipped,
            "skipped": skipped,
            **columns,
        }
    )
    session.add(launch)
    session.flush()
    states = [state for state, number in counts.items() for _ in range(number)]
    if states:
        session.execute(
            insert(TaskResult),
            [
                run_row(task_id, launch.id, number, state) | dict(run or {})
                for number, state in enumerate(states)
            ],
        )
    session.commit()
    return launch


def run_row(
    task_id: int, launch_id: int, number: int, state: RunState, *, process_id: UUID | None = None
) -> dict[str, Any]:
    """Return the columns of a run; *number* distinguishes runs of the same task and launch."""
    is_open = state in (RunState.QUEUED, RunState.RUNNING)
    is_running = state == RunState.RUNNING
    return {
        "task_id": task_id,
        "launch_id": launch_id,
        "due_at": OPENED + timedelta(hours=launch_id, milliseconds=number),
        "job": "generate_random_number",
        "queue": "taskadmin.runs",
        "task_params": {},
        "state": state,
        "queued_at": OPENED,
        "started_at": OPENED if is_running else None,
        "finished_at": None if is_open else OPENED,
        "token": uuid4() if is_running else None,
        "process_id": (process_id or uuid4()) if is_running else None,
        "reason": f"Reason {number % 3 // 2}." if state == RunState.SKIPPED else None,
        "error_type": "ValueError" if state == RunState.FAILED else None,
    }


def add_slot_launch(
    session: Session,
    state: LaunchState = LaunchState.PUBLISHED,
    *,
    published: timedelta = timedelta(minutes=1),
    slot: datetime = OPENED,
) -> int:
    """Add a slot's launch without runs, sent that long ago, commit, and return its id."""
    moment = now(session) - published
    launch = Launch(
        kind=LaunchKind.SLOT,
        slot=slot,
        interval_seconds=300.0,
        state=state,
        opened_at=moment,
        published_at=moment,
        closed_at=moment if state == LaunchState.CLOSED else None,
    )
    session.add(launch)
    session.commit()
    return launch.id
