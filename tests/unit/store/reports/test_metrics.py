"""What metrics read from the ledger."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.rows.launches import add_launch
from services.rows.states import put
from taskadmin.models import (
    LedgerState,
    Process,
    ProcessEnd,
    ProcessKind,
    RunState,
    TaskResult,
)
from taskadmin.store.database import clock
from taskadmin.store.reports.metrics import take_snapshot

SECOND = timedelta(seconds=1)


def add_process(session: Session, kind: ProcessKind, *, silent: timedelta, gone: bool) -> None:
    """Add a process with its last heartbeat so long ago."""
    moment = clock.now(session)
    row = Process(id=uuid4(), kind=kind, name="n", host="h", pid=7, started_at=moment)
    row.seen_at = moment - silent
    if gone:
        row.gone_at, row.ending = moment, ProcessEnd.LOST
    session.add(row)
    session.commit()


def test_a_new_ledger_has_numbers(session: Session) -> None:
    """None is an error; ages are unknown."""
    found = take_snapshot(session, lease=30 * SECOND)

    assert (found.totals, found.processes, found.heartbeat_ages, found.open_runs) == ({},) * 4
    assert (found.turn_age, found.counted_age, found.open_launches) == (None, None, 0)
    assert set(found.counters.values()) == {0}


def test_processes_count_while_they_send_heartbeats(session: Session) -> None:
    """A killed beat doesn't, although nobody has marked it gone: launchers wait for it."""
    add_process(session, ProcessKind.BEAT, silent=40 * SECOND, gone=False)
    add_process(session, ProcessKind.WORKER, silent=SECOND, gone=False)
    add_process(session, ProcessKind.WORKER, silent=SECOND, gone=True)

    found = take_snapshot(session, lease=30 * SECOND)

    assert found.processes == {ProcessKind.BEAT: 0, ProcessKind.WORKER: 1}
    assert found.heartbeat_ages[ProcessKind.BEAT] >= 40 * SECOND
    assert found.heartbeat_ages[ProcessKind.WORKER] < 30 * SECOND


def test_launches_runs_and_counters_are_read(
    session: Session, runs: list[TaskResult], count_queries: CountQueries
) -> None:
    """By few queries."""
    add_launch(session, runs[0].task_id)
    moment = clock.now(session)
    state = {"missed": 7, "taken_back": 3, "ticked_at": moment - 9 * SECOND}
    session.execute(update(LedgerState).values(state))
    session.commit()

    with count_queries() as statements:
        found = take_snapshot(session, lease=30 * SECOND)

    assert found.open_launches == 1
    assert found.open_runs["taskadmin.runs"].ready == 6
    assert (found.counters["missed"], found.counters["taken_back"]) == (7, 3)
    assert found.turn_age is not None and found.turn_age >= 9 * SECOND
    assert len(statements) <= 5


def test_open_runs_are_ready_later_or_running(session: Session, runs: list[TaskResult]) -> None:
    """The oldest ready one tells how long; a run that was postponed waits since its time."""
    moment = clock.now(session)
    hour = timedelta(hours=1)
    runs[0].not_before = moment + hour
    runs[1].queued_at, runs[1].not_before = moment - 3 * hour, moment - 2 * hour
    runs[2].queued_at = moment - hour
    put(session, runs[3], RunState.RUNNING)
    runs[4].queue = "other"
    put(session, runs[5], RunState.SUCCEEDED)
    session.commit()

    found = take_snapshot(session, lease=30 * SECOND).open_runs

    assert found["taskadmin.runs"][:3] == (2, 1, 1)
    oldest = found["taskadmin.runs"].oldest
    assert oldest is not None and 2 * hour <= oldest < 3 * hour
    assert found["other"][:3] == (1, 0, 0)
