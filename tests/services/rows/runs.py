"""Queue runs with the store's functions, send them to workers, and read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.servers.processes import wait_for
from taskadmin.jobs import all_jobs
from taskadmin.models import ProcessKind, RunState, Task, TaskResult
from taskadmin.queue import RUNS_QUEUE
from taskadmin.store.runs import results, transitions
from taskadmin.store.runs.outcome import Outcome
from taskadmin.store.runs.outcome_columns import FinishedRun, TakenRun
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity

DUE = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Outcome(worker="w1@host", elapsed=timedelta(seconds=2), result=0.25)
FAILED = Outcome(worker="w1@host", elapsed=timedelta(), error_type="ValueError", error="no")
#: The program of all processes of ``register_process``.
BOOT = UUID(int=1)


def queue(session: Session, task_id: int, due_at: datetime = DUE, *, launch_id: int = 5) -> int:
    """Queue a run, commit, and return its id."""
    task = session.get_one(Task, task_id)
    results.insert_runs(session, [task], launch_id=launch_id, due_at=due_at, jobs=all_jobs())
    session.commit()
    found = session.scalar(
        select(TaskResult.id).where(TaskResult.task_id == task_id, TaskResult.due_at == due_at)
    )
    assert found is not None
    return found


def row(session: Session, run_id: int) -> TaskResult:
    """Return the run's current row."""
    return session.get_one(TaskResult, run_id, populate_existing=True)


def set_columns(session: Session, run_id: int, **columns: Any) -> None:
    """Update columns of a run, and commit."""
    session.execute(update(TaskResult).where(TaskResult.id == run_id).values(**columns))
    session.commit()


def register(session: Session, pid: int = 1, *, parent_pid: int = 100, boot: UUID = BOOT) -> UUID:
    """Register a pool process of w1@host, and return its id."""
    who = ProcessIdentity(
        ProcessKind.CHILD, "w1@host", "host", pid, parent_pid=parent_pid, boot=boot
    )
    return processes.register_process(session, who)


def claim(session: Session, *run_ids: int, process_id: UUID, token: UUID) -> list[TakenRun]:
    """Claim runs together for w1@host, and return the claimed ones, ordered by id."""
    return sorted(
        transitions.claim(session, run_ids, token=token, process_id=process_id, worker="w1@host")
    )


def unclaimed(run_id: int) -> TakenRun:
    """Return a run as a worker gets it without a claim."""
    return TakenRun(run_id, DUE, 1, 5, "generate_random_number", {}, attempts=1, max_attempts=1)


def finish(session: Session, run_id: int, outcome: Outcome = DONE) -> bool:
    """Record the outcome of an unclaimed run; return whether that was possible."""
    return transitions.finish(session, [FinishedRun(unclaimed(run_id), outcome)], uuid4()) == {
        run_id
    }


def send(celery: Celery, run_id: int) -> int:
    """Send a run's message, and return the run's id."""
    celery.tasks["taskadmin.run"].apply_async(
        (run_id, DUE.isoformat()), queue=RUNS_QUEUE, ignore_result=True
    )
    return run_id


def send_together(celery: Celery, run_ids: Sequence[int]) -> None:
    """Send one message of several runs."""
    celery.tasks["taskadmin.runs"].apply_async(
        ([DUE.isoformat(), list(run_ids)],), queue=RUNS_QUEUE, ignore_result=True
    )


def wait_until(session: Session, run_id: int, state: RunState) -> None:
    """Wait until the run is in *state*."""

    def is_so() -> bool:
        found = row(session, run_id).state
        session.rollback()
        return found == state

    wait_for(is_so, what=f"run {run_id} being {state}")
