"""What a launch and its runs cost in statements: counted, because a count is the same everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser
from services.heartbeats import StubHeartbeat
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.queue.execution import Delivery, execute, execute_together
from taskadmin.store import launches, unclaimed
from taskadmin.store.outcome import Outcome
from taskadmin.store.transaction import ledger_transaction
from taskadmin.store.unclaimed import Success

pytestmark = pytest.mark.databases("postgresql")


def add_tasks(session: Session, number: int, author_id: int) -> None:
    """Tasks of the common slot."""
    row = {"lower_limit": 0, "upper_limit": 1, "params": {}, "created_by": author_id}
    session.execute(insert(Task), [row] * number)
    session.commit()


@pytest.fixture
def launch(session: Session, make_user: MakeUser) -> int:
    """The launch of 2,000 tasks, nothing queued yet."""
    add_tasks(session, 2_000, make_user("chief").id)
    launch_id = launches.open_slot(session, 300)
    assert launch_id is not None
    return launch_id


def test_a_page_of_runs_is_written_by_a_handful_of_statements(
    session: Session, launch: int, count_queries: CountQueries
) -> None:
    """Whether it has ten tasks or a thousand, and as many to read, send and note them."""
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


def test_runs_that_are_executed_together_cost_a_handful_of_statements(
    session: Session, launch: int, count_queries: CountQueries
) -> None:
    """A thousand of them in two turns; one by one each costs four."""
    owner = uuid4()
    launches.take(session, launch, owner)
    launches.queue_page(session, launch, owner, page_size=1_010, jobs=all_jobs())
    rows = session.execute(select(TaskResult.id, TaskResult.due_at).order_by(TaskResult.id)).all()
    session.rollback()
    heartbeat = StubHeartbeat(session)
    deliveries = [
        Delivery(*row, worker="w", redelivered=False, heartbeat=lambda: heartbeat)  # type: ignore[arg-type,return-value]
        for row in rows
    ]

    with count_queries() as alone:
        for delivery in deliveries[:10]:
            execute(session, delivery)
    with count_queries() as together:
        for first in (10, 510):
            execute_together(session, deliveries[first : first + 500])

    assert len(alone) <= 4 * 10
    assert len(together) <= 2 * 6


def test_runs_are_recorded_by_their_ids_also_before_there_are_statistics(
    session: Session, launch: int
) -> None:
    """In a table that has just grown, PostgreSQL would compare each row with each outcome."""
    owner = uuid4()
    launches.take(session, launch, owner)
    launches.queue_page(session, launch, owner, page_size=2_000, jobs=all_jobs())
    rows = session.execute(select(TaskResult.id, TaskResult.due_at)).all()
    outcome = Outcome(worker="w", elapsed=timedelta(seconds=1), result=0.5)
    done = [Success(*row, outcome) for row in rows[:500]]
    given = unclaimed._in_columns(done, uuid4(), rows[0].due_at)
    statement = text(f"EXPLAIN {unclaimed._COMPLETE_TOGETHER.text}")

    with ledger_transaction(session, by_id=True):
        plan = "\n".join(session.scalars(statement, given))

    assert "Hash Join" in plan
    assert "Index Cond: (id = ANY" in plan
    assert "Nested Loop" not in plan
    assert "Seq Scan" not in plan


def test_statements_of_single_runs_stay_prepared(session: Session, launch: int) -> None:
    """PostgreSQL plans them once for a connection, not for each run."""
    owner = uuid4()
    launches.take(session, launch, owner)
    launches.queue_page(session, launch, owner, page_size=20, jobs=all_jobs())
    rows = session.execute(select(TaskResult.id, TaskResult.due_at)).all()
    session.rollback()
    heartbeat = StubHeartbeat(session)

    for row in rows:
        execute(
            session,
            Delivery(*row, worker="w", redelivered=False, heartbeat=lambda: heartbeat),  # type: ignore[arg-type,return-value]
        )

    prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    for begin in ("SELECT taskadmin_task_result.", "UPDATE taskadmin_task_result "):
        assert any(statement.startswith(begin) for statement in prepared), prepared


@pytest.mark.parametrize(("record_start", "most"), [(False, 2), (True, 7)])
def test_round_trips_of_single_runs(
    session: Session,
    launch: int,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
    most: int,
) -> None:
    """One to read a run and one to record it; one more to claim it, and a transaction to record it."""
    owner = uuid4()
    launches.take(session, launch, owner)
    launches.queue_page(session, launch, owner, page_size=30, jobs=all_jobs())
    rows = session.execute(select(TaskResult.id, TaskResult.due_at)).all()
    session.rollback()
    heartbeat = StubHeartbeat(session)
    heartbeat.process_id()
    job = dataclasses.replace(all_jobs()["generate_random_number"], record_start=record_start)
    monkeypatch.setitem(registry._jobs, job.name, job)
    round_trips = []
    wait = psycopg.Connection.wait

    def watched(asking: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(asking)
            round_trips.append(1)  # it waits for the server: psycopg waits for nothing, too
            while True:
                wanted = asking.send((yield wanted))
        except StopIteration as stop:
            return stop.value

    def counting(self: Any, asking: Any, *rest: Any, **options: Any) -> Any:
        return wait(self, watched(asking), *rest, **options)

    for place, row in enumerate(rows):
        if place == 20:  # by then all is prepared
            monkeypatch.setattr(psycopg.Connection, "wait", counting)
        execute(
            session,
            Delivery(*row, worker="w", redelivered=False, heartbeat=lambda: heartbeat),  # type: ignore[arg-type,return-value]
        )

    assert len(round_trips) <= most * 10
    states = session.scalars(
        select(TaskResult.state).where(TaskResult.id.in_([r.id for r in rows]))
    )
    assert set(states) == {RunState.SUCCEEDED}
