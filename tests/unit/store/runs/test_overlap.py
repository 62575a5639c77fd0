"""Runs of a task whose previous run hasn't finished."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.due import launch, row, runs, schedule
from taskadmin.models import (
    Overlap,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.runs.overlap import WAITING_UNTIL, release_waiting
from taskadmin.store.tasks.schedules import ScheduleInput
from taskadmin.store.upkeep import recovery


def make_due(session: Session, task: Task) -> None:
    """Make it due again, a microsecond after the last time."""
    stored = row(session, task)
    assert stored.last_due is not None
    with ledger_transaction(session):
        session.execute(
            update(TaskSchedule)
            .where(TaskSchedule.task_id == task.id)
            .values(next_due=stored.last_due + timedelta(microseconds=1))
        )


def test_overlap_is_skipped(session: Session, make_task: MakeTask) -> None:
    """Until the previous run has finished."""
    task = make_task()
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600, overlap=Overlap.SKIP),
    )
    launch(session)
    make_due(session, task)
    launch(session)
    first, second = runs(session, task)
    assert (first.state, second.state) == (RunState.QUEUED, RunState.SKIPPED)
    assert second.reason == f"Overlap: run {first.id} isn't finished."
    finish(session, first)
    make_due(session, task)
    launch(session)
    assert [run.state for run in runs(session, task)] == ["succeeded", "skipped", "queued"]


def test_one_run_waits_for_the_other(session: Session, make_task: MakeTask) -> None:
    """A third is skipped; the second starts when the first has finished."""
    task = make_task()
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600, overlap=Overlap.QUEUE_ONE),
    )
    launch(session)
    for _ in range(2):
        make_due(session, task)
        launch(session)
    first, second, third = runs(session, task)
    assert (first.not_before, second.not_before) == (None, WAITING_UNTIL)
    assert (second.state, third.state) == (RunState.QUEUED, RunState.SKIPPED)
    assert release_waiting(session) == 0
    finish(session, first)
    assert release_waiting(session) == 1
    assert [run.id for run in recovery.waiting_runs(session)] == [second.id]
    stored = row(session, task)
    assert (stored.current_run_id, stored.waiting_run_id) == (second.id, None)
    make_due(session, task)
    launch(session)
    assert runs(session, task)[-1].not_before == WAITING_UNTIL


def finish(session: Session, run: TaskResult) -> None:
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run.id)
        .values(state=RunState.SUCCEEDED, finished_at=now(session))
    )
    session.commit()
