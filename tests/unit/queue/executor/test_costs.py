"""Numbers of statements of a launch and its runs, which are the same on every machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser
from services.ledger.deliveries import delivery
from services.ledger.heartbeats import StubHeartbeat
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.queue.executor import execution
from taskadmin.queue.executor.delivery import NamedRun
from taskadmin.queue.executor.execution import execute
from taskadmin.store.launches import launches, slots

pytestmark = pytest.mark.databases("postgresql")


def add_tasks(session: Session, number: int, author_id: int) -> None:
    """Add tasks of the common slot."""
    row = {"lower_limit": 0, "upper_limit": 1, "params": {}, "created_by": author_id}
    session.execute(insert(Task), [row] * number)
    session.commit()


@pytest.fixture
def launch(session: Session, make_user: MakeUser) -> int:
    """The launch of 2,000 tasks, with nothing queued."""
    add_tasks(session, 2_000, make_user("chief").id)
    launch_id = slots.open_slot(session, 300)
    assert launch_id is not None
    return launch_id


def test_a_page_of_runs_is_written_by_a_handful_of_statements(
    session: Session, launch: int, count_queries: CountQueries
) -> None:
    """Independent of its size, including reading and sending."""
    owner = uuid4()
    launches.take(session, launch, owner)
    asked = []
    for size in (10, 1_000):
        with count_queries() as queries:
            launches.queue_page(session, launch, owner, page_size=size, jobs=all_jobs())
            runs = launches.unsent_runs(session, launch, limit=size)
            launches.mark_sent(session, launch, owner, runs[-1].id)
        assert len(runs) == size
        asked.append(len(queries))

    assert asked[0] == asked[1] <= 12


@pytest.fixture
def queue(session: Session, launch: int) -> Callable[[int], list[NamedRun]]:
    """Queue the first runs of the launch."""

    def queue(number: int) -> list[NamedRun]:
        owner = uuid4()
        launches.take(session, launch, owner)
        launches.queue_page(session, launch, owner, page_size=number, jobs=all_jobs())
        found = session.execute(
            select(TaskResult.id, TaskResult.due_at).order_by(TaskResult.id)
        ).all()
        session.rollback()
        return [(row.id, row.due_at) for row in found]

    return queue


@pytest.fixture
def receive(session: Session) -> Callable[[list[NamedRun]], int]:
    """Deliver a message of these runs to a registered process."""
    heartbeat = StubHeartbeat(session)
    heartbeat.process_id()

    def execute_them(runs: list[NamedRun]) -> int:
        ids = [run_id for run_id, _ in runs]
        return execute(session, delivery(session, ids, runs[0][1], heartbeat=heartbeat))

    return execute_them


@pytest.fixture(params=[False, True], ids=["unclaimed", "claimed"])
def record_start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether starts of runs are recorded."""
    recorded: bool = request.param
    job = dataclasses.replace(all_jobs()["generate_random_number"], record_start=recorded)
    monkeypatch.setitem(registry._jobs, job.name, job)
    return recorded


def test_runs_of_one_message_cost_a_handful_of_statements(
    session: Session,
    queue: Callable[[int], list[NamedRun]],
    receive: Callable[[list[NamedRun]], int],
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """One each to read, claim and record, for 500 runs as for one."""
    for name in ("_TOGETHER_SECONDS", "_STALE_SECONDS"):  # even on a busy machine
        monkeypatch.setattr(execution, name, 60.0)
    runs = queue(1_012)
    with count_queries() as alone:
        for run in runs[:10]:
            receive([run])
    asked = []
    for first, last in ((10, 12), (12, 512), (512, 1_012)):
        with count_queries() as together:
            assert receive(runs[first:last]) == last - first
        asked.append(len(together))

    assert len(alone) == (3 if record_start else 2) * 10
    assert set(asked) == {3 if record_start else 2}


def test_statements_of_single_runs_stay_prepared(
    session: Session,
    queue: Callable[[int], list[NamedRun]],
    receive: Callable[[list[NamedRun]], int],
) -> None:
    """PostgreSQL plans them once per connection."""
    for run in queue(20):
        receive([run])

    prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    for part in ("json_agg", "UPDATE taskadmin_task_result "):
        assert any(part in statement for statement in prepared), prepared


def test_round_trips_of_single_runs(
    session: Session,
    queue: Callable[[int], list[NamedRun]],
    receive: Callable[[list[NamedRun]], int],
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """One to read a run, one to record it, and one more to claim it."""
    runs = queue(30)
    round_trips = []
    wait = psycopg.Connection.wait

    def watched(asking: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(asking)
            round_trips.append(1)  # only waits for the server; psycopg also waits without I/O
            while True:
                wanted = asking.send((yield wanted))
        except StopIteration as stop:
            return stop.value

    def counting(self: Any, asking: Any, *rest: Any, **options: Any) -> Any:
        return wait(self, watched(asking), *rest, **options)

    for place, run in enumerate(runs):
        if place == 20:  # after preparation
            monkeypatch.setattr(psycopg.Connection, "wait", counting)
        receive([run])

    assert len(round_trips) == (3 if record_start else 2) * 10
    states = session.scalars(select(TaskResult.state).where(TaskResult.launch_id == 1))
    assert set(states) == {RunState.SUCCEEDED}
