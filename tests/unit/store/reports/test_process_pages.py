"""Processes and open runs for the page of workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.launches import add_launch, run_row
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.reports import process_pages
from taskadmin.store.reports.process_pages import list_processes, open_runs


def add_process(session: Session, kind: ProcessKind, **columns: Any) -> UUID:
    """Add a process seen just now, and commit."""
    process_id, moment = uuid4(), clock.now(session)
    row = {
        "id": process_id,
        "name": f"{kind}@host",
        "host": "host",
        "pid": 7,
        "started_at": moment,
        "seen_at": moment,
    }
    row |= columns
    session.add(Process(kind=kind, **row))
    session.commit()
    return process_id


def test_processes_have_the_time_since_their_last_heartbeat(session: Session) -> None:
    """By the database's clock."""
    seen_at = clock.now(session) - timedelta(seconds=20)
    worker = add_process(session, ProcessKind.WORKER, seen_at=seen_at)

    (found,) = list_processes(session).living

    assert found.process.id == worker
    assert timedelta(seconds=20) <= found.silent < timedelta(seconds=60)


def test_processes_that_ended_within_the_last_hour_are_listed(session: Session) -> None:
    """Earlier ones are left out, as are children that stopped with their worker."""
    moment = clock.now(session)

    def gone(kind: ProcessKind, ending: ProcessEnd, minutes: int) -> UUID:
        gone_at = moment - timedelta(minutes=minutes)
        return add_process(session, kind, gone_at=gone_at, ending=ending)

    lost = gone(ProcessKind.WORKER, ProcessEnd.LOST, 30)
    gone(ProcessKind.WORKER, ProcessEnd.LOST, 61)
    killed = gone(ProcessKind.CHILD, ProcessEnd.TIME_LIMIT, 10)
    gone(ProcessKind.CHILD, ProcessEnd.STOPPED, 5)

    found = list_processes(session)

    assert [one.id for one in found.gone] == [killed, lost]
    assert list(found.living) == []


def test_of_many_processes_some_are_listed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children are left out first, and the result says that there are more."""
    monkeypatch.setattr(process_pages, "MAX_SHOWN", 2)
    add_process(session, ProcessKind.CHILD, name="a@host")
    for name in ("b@host", "c@host"):
        add_process(session, ProcessKind.WORKER, name=name)

    found = list_processes(session)

    assert [one.process.name for one in found.living] == ["b@host", "c@host"]
    assert found.more


def test_open_runs_are_counted_by_queue(session: Session, make_task: MakeTask) -> None:
    """Runs that are ready, that wait for their time, and that are running."""
    task_id, moment = make_task().id, clock.now(session)
    later = {"not_before": moment + timedelta(hours=1)}
    add_launch(session, task_id, {RunState.QUEUED: 3, RunState.RUNNING: 2, RunState.FAILED: 1})
    add_launch(session, task_id, {RunState.QUEUED: 2}, run=later)
    waited = {
        "queued_at": moment - timedelta(hours=2),
        "not_before": moment - timedelta(minutes=3),
        "queue": "reports",
    }
    add_launch(session, task_id, {RunState.QUEUED: 1}, run=waited)

    found = open_runs(session)

    assert found.by_queue["taskadmin.runs"][:3] == (3, 2, 2)
    ready, _, _, oldest = found.by_queue["reports"]
    assert ready == 1
    assert oldest is not None
    assert timedelta(minutes=3) <= oldest < timedelta(minutes=10), "not since it was queued"
    assert not found.is_capped


def test_runs_that_wait_for_their_time_have_no_oldest(
    session: Session, make_task: MakeTask
) -> None:
    """They aren't late."""
    later = {"not_before": clock.now(session) + timedelta(hours=1)}
    add_launch(session, make_task().id, {RunState.QUEUED: 2}, run=later)

    assert open_runs(session).by_queue == {"taskadmin.runs": (0, 2, 0, None)}


def test_running_runs_belong_to_the_process_that_claimed_them(
    session: Session, make_task: MakeTask
) -> None:
    """With their tasks."""
    task, worker = make_task(name="Dice"), uuid4()
    rows = [run_row(task.id, 1, number, RunState.RUNNING, process_id=worker) for number in range(3)]
    session.execute(insert(TaskResult), rows)
    session.commit()

    found = open_runs(session)

    assert found.by_process == {worker: 3}
    assert [one.task.name for one in found.underway[worker]] == ["Dice"] * 3


def test_of_many_open_runs_both_ends_are_looked_at(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result says that runs between them are left out."""
    monkeypatch.setattr(process_pages, "AT_EACH_END", 2)
    task_id = make_task().id
    for queue in ("first", "middle", "last"):
        add_launch(session, task_id, {RunState.QUEUED: 2}, run={"queue": queue})

    found = open_runs(session)

    assert set(found.by_queue) == {"first", "last"}
    assert found.is_capped


def test_of_few_open_runs_none_is_counted_twice(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are at both ends."""
    monkeypatch.setattr(process_pages, "AT_EACH_END", 3)
    add_launch(session, make_task().id, {RunState.QUEUED: 4})

    found = open_runs(session)

    assert found.by_queue["taskadmin.runs"].ready == 4
    assert not found.is_capped
