"""Put runs into any state, for pages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from taskadmin.models import RunState, TaskResult
from taskadmin.store.database import clock

FINAL = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)


def put(session: Session, run: TaskResult, state: RunState, **values: Any) -> int:
    """Set a run's state."""
    moment = clock.now(session)
    run_id = run.id
    values |= {"finished_at": moment} if state in FINAL else {}
    values |= {"error_type": "Boom"} if state == RunState.FAILED else {}
    if state == RunState.RUNNING:
        values |= {"token": uuid4(), "process_id": uuid4(), "started_at": moment}
    session.execute(update(TaskResult).where(TaskResult.id == run_id).values(state=state, **values))
    session.commit()
    return run_id
