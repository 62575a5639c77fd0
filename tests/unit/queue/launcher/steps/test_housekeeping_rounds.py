"""A complete round of housekeeping, in one or many turns."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.turns import run_housekeeping, times
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessEnd,
    ProcessKind,
    RunState,
    Task,
    TaskResult,
)
from taskadmin.queue.launcher.steps import housekeeping
from taskadmin.store.database.clock import now
from taskadmin.store.tasks.tasks import delete_tasks
from taskadmin.store.upkeep import pruning

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def left(session: Session) -> dict[str, int]:
    """Return the numbers of rows."""
    tables = (Task, TaskResult, Launch, Process)
    counts = {
        table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
        for table in tables
    }
    session.rollback()
    return counts


@pytest.fixture
def site(session: Session, make_task: MakeTask) -> dict[str, int]:
    """Rows for each rule; returns how many stay."""
    moment = now(session)
    tasks = [make_task().id for _ in range(7)]
    gone = [make_task().id for _ in range(3)]

    def add(state: LaunchState, ago: timedelta, *, slot: datetime | None = None) -> int:
        begun = moment - ago
        closed = begun if state == LaunchState.CLOSED else None
        kind = LaunchKind.MANUAL if slot is None else LaunchKind.SLOT
        row = Launch(kind=kind, slot=slot, state=state, opened_at=begun, closed_at=closed)
        session.add(row)
        session.flush()
        return row.id

    def runs(launch: int, ago: timedelta, state: RunState, of: list[int]) -> None:
        at = moment - ago
        finished = None if state in (RunState.QUEUED, RunState.RUNNING) else at
        running = {"token": uuid4(), "process_id": uuid4()} if state == RunState.RUNNING else {}
        row = {"launch_id": launch, "due_at": at, "job": "x", "queue": "q", "task_params": {}}
        row |= {"state": state, "queued_at": at, "finished_at": finished, **running}
        session.execute(insert(TaskResult), [{"task_id": id_, **row} for id_ in of])

    # Too old: 10 runs each of two launches, and two missed slots, but not the third.
    for days in (40, 50):
        runs(add(LaunchState.CLOSED, days * DAY), days * DAY, RunState.FAILED, tasks + gone)
    for days in (31, 32, 3):
        add(LaunchState.MISSED, DAY, slot=moment - days * DAY)
    # More than two of each task: of five launches the three oldest are too many, but one of them
    # is open and one of them has runs that are under way.
    runs(add(LaunchState.PUBLISHED, 9 * DAY), 9 * DAY, RunState.SUCCEEDED, tasks)
    runs(add(LaunchState.CLOSED, 8 * DAY), 8 * DAY, RunState.RUNNING, tasks[:2])
    closed = add(LaunchState.CLOSED, 7 * DAY)
    runs(closed, 7 * DAY, RunState.SUCCEEDED, tasks + gone)
    for hours in (1, 2):
        runs(add(LaunchState.CLOSED, hours * DAY), hours * DAY, RunState.SUCCEEDED, tasks)
    for ago, cleared in ((2, True), (2, False), (0, True)):
        process: dict[str, Any] = {"kind": ProcessKind.WORKER, "name": "w", "host": "h", "pid": 1}
        process |= {"id": uuid4(), "started_at": moment, "seen_at": moment, "cleared": cleared}
        gone_at = moment - ago * timedelta(hours=1)
        session.add(Process(**process, gone_at=gone_at, ending=ProcessEnd.STOPPED))
    session.commit()
    delete_tasks(session, gone)
    return {
        "taskadmin_task": 7,
        # Of the open launch, under way, and two of each task.
        "taskadmin_task_result": 7 + 2 + 2 * 7,
        # The missed slot, the open launch and four that are closed.
        "taskadmin_launch": 1 + 1 + 4,
        "taskadmin_process": 2,
    }


@pytest.mark.parametrize("calls", [10_000, 2])
def test_a_whole_round(
    session: Session, site: dict[str, int], monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Old rows are deleted; open, running and recent ones stay."""
    random.seed(2)
    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_SECONDS", 60.0)
    monkeypatch.setattr(pruning, "MAX_RESULTS_PER_TRANSACTION", 5)
    monkeypatch.setattr(pruning, "MAX_TASKS_PER_CHECK", 2)
    for _ in range(1 if calls > 100 else 100):
        run_housekeeping(session, has_time=times(calls))

    assert left(session) == site
    states = select(TaskResult.state, func.count()).group_by(TaskResult.state)
    assert {(row[0], row[1]) for row in session.execute(states)} == {
        (RunState.SUCCEEDED, 7 + 2 * 7),
        (RunState.RUNNING, 2),
    }
    state = session.get_one(LedgerState, 1)
    oldest = session.scalar(select(func.min(Launch.slot)))
    assert state.pruned_before is not None
    assert oldest is not None
    assert timedelta() < oldest - state.pruned_before == 28 * DAY


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("table", "waiting"),
    [
        (
            "taskadmin_task_result",
            {"remove deleted tasks", "prune old results", "prune results per task"},
        ),
        ("taskadmin_task", {"remove deleted tasks", "prune results per task"}),
        ("taskadmin_launch", {"prune old results", "prune missed slots", "prune results per task"}),
        ("taskadmin_process", {"delete gone processes"}),
        ("taskadmin_minute_count", {"count minutes"}),
    ],
)
def test_a_locked_table_is_waited_for_shortly(
    engine: Engine,
    session: Session,
    site: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    table: str,
    waiting: set[str],
) -> None:
    """Work that doesn't need the table is done, the rest after VACUUM FULL or a migration."""
    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_SECONDS", 20.0)
    with engine.begin() as other:
        other.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        run_housekeeping(session)

    given_up = {
        message.removeprefix("Skipped, too slow for now: ").partition(" (")[0]
        for message in caplog.messages
        if message.endswith("canceling statement due to lock timeout)")
    }
    assert waiting <= given_up
    assert given_up <= waiting | {"count minutes"}  # also reads results
    session.execute(update(LedgerState).values(counted_upto=None))  # the next minute
    session.commit()
    run_housekeeping(session)
    assert left(session) == site
