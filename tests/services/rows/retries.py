"""Runs to retry, cancel and delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from services.rows.runs import DUE
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, TaskResult
from taskadmin.store.launches.manual import ManualLaunch
from taskadmin.store.launches.run_actions import retry_runs
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Actor, Filter

ADA = Actor(None, "ada", "192.0.2.1")


def retry(session: Session, *ids: int, key: UUID | None = None, **how: bool) -> ManualLaunch:
    return retry_runs(
        session,
        ids,
        actor=ADA,
        request_key=key or uuid4(),
        owner=uuid4(),
        jobs=all_jobs(),
        **how,
    )


def finish(session: Session, run_id: int, state: RunState = RunState.FAILED) -> int:
    """Finish a run."""
    error_type = "Boom" if state == RunState.FAILED else None
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run_id)
        .values(state=state, reason="Because.", finished_at=DUE, error_type=error_type)
    )
    session.commit()
    return run_id


def trail(session: Session) -> list[tuple[Any, ...]]:
    found = audit.page(session, Filter(), limit=100)
    return [(entry.action, entry.subject, entry.before, entry.after) for entry in found]
