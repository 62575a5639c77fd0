"""Runs that other workers take or finish aren't begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows, Slow, delivery, in_thread
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.models import ProcessEnd, RunState, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.store.runs import open_runs, transitions
from taskadmin.store.upkeep import processes, recovery

SUCCEEDED, QUEUED, RUNNING = RunState.SUCCEEDED, RunState.QUEUED, RunState.RUNNING


def others_finish(session: Session, ids: Sequence[int]) -> None:
    """Let another worker execute runs."""
    session.rollback()
    execute(session, delivery(session, ids, DUE, worker="other", redelivered=True))


@pytest.fixture
def loses(
    session: Session, heartbeat: StubHeartbeat, clock: SimpleNamespace
) -> Callable[[Sequence[int]], None]:
    """Stop this process for a lease, so that its runs are given to others."""

    def lose(ids: Sequence[int]) -> None:
        clock.now += 60.0
        session.rollback()
        if heartbeat.id is not None:
            processes.mark_gone(session, heartbeat.id, ProcessEnd.LOST, "silent")
            recovery.take_back(session, lost_attempts=3)
            session.execute(update(TaskResult).values(not_before=None))
            session.commit()
        others_finish(session, ids)

    return lose


@pytest.mark.parametrize("after", ["read_open", "claim"])
@pytest.mark.parametrize("number", [1, 3])
def test_runs_read_too_long_ago_are_not_begun(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    clock: SimpleNamespace,
    loses: Callable[[Sequence[int]], None],
    monkeypatch: pytest.MonkeyPatch,
    take_no_time: None,
    number: int,
    after: str,
) -> None:
    """The process was stopped during the query, and another one executed the runs."""
    module = open_runs if after == "read_open" else transitions
    original, here, stopped = getattr(module, after), list[str](), list[int]()

    def stop_after(*arguments: Any, **options: Any) -> Any:
        answer = original(*arguments, **options)
        if not stopped:
            stopped.append(1)
            loses(ids)
        return answer

    def a_job() -> None:
        here.append("called")

    monkeypatch.setattr(module, after, stop_after)
    ids = queue_runs(a_job, number, record_start=after == "claim")

    assert execute(session, delivery(session, ids, DUE, heartbeat=heartbeat)) == 0

    assert len(here) == number, "once each, by the other one"
    assert {(run.state, run.worker) for run in rows()} == {(SUCCEEDED, "other")}


def test_a_database_that_always_takes_long_does_not_keep_runs_from_being_begun(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """The accepted delay grows."""
    original, asked = open_runs.read_open, []

    def slowly(*arguments: Any) -> Any:
        asked.append(1)
        clock.now += 3.0
        return original(*arguments)

    monkeypatch.setattr(open_runs, "read_open", slowly)
    [run_id] = queue_runs(lambda: 1, record_start=record_start)
    assert execute(session, delivery(session, [run_id], DUE)) == 1
    assert len(asked) == 4
    assert [(run.state, run.attempts) for run in rows()] == [(SUCCEEDED, 1)]


def test_runs_given_away_during_a_slow_function_are_not_begun(
    session: Session,
    engine: Engine,
    slow: Slow,
    rows: Rows,
    heartbeat: StubHeartbeat,
    loses: Callable[[Sequence[int]], None],
    record_start: bool,
) -> None:
    """The process was stopped in the function, and its other runs were given away."""
    slow.slow_one = 0
    slow.meanwhile = lambda: loses(ids[1:])
    ids = slow.queue(4, record_start=record_start)
    slow.begin(engine, heartbeat=heartbeat).execute_all()
    assert slow.called == [0, 1, 2, 3], "by the other one"
    assert [run.worker for run in rows()] == ["w1@host", *["other"] * 3]
    assert {(run.state, run.attempts) for run in rows()} == {(SUCCEEDED, 1)}


def test_those_that_are_cancelled_before_their_turn_are_not_executed(
    session: Session,
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    record_start: bool,
) -> None:
    """After a quarter of a second, the rest of a message is read again."""

    def cancel() -> None:
        clock.now += 0.3
        ended = {"state": RunState.CANCELLED, "finished_at": datetime.now(UTC), "process_id": None}
        session.execute(update(TaskResult).where(TaskResult.id.in_(ids[2:4])).values(**ended))
        session.commit()

    slow.meanwhile = cancel
    ids = slow.queue(6, record_start=record_start)
    slow.begin(engine).execute_all()

    assert slow.called == [0, 1, 4, 5]
    cancelled = RunState.CANCELLED
    assert [run.state for run in rows()] == [
        *(SUCCEEDED, SUCCEEDED, cancelled, cancelled, SUCCEEDED, SUCCEEDED)
    ]


@pytest.mark.parametrize(
    ("taken", "seconds"),
    [(2, 0.3), (1, 0.0)],
    ids=["seen when the rest is read", "seen when it is recorded"],
)
def test_a_worker_that_finds_a_run_taken_claims_the_others(
    session: Session,
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    taken: int,
    seconds: float,
) -> None:
    """The message was delivered twice, and the other worker may be at any of its runs."""
    seen: list[set[RunState]] = []

    def lose() -> None:
        if not seen:
            seen.append({run.state for run in rows()})
            clock.now += seconds
            others_finish(session, [ids[taken]])
            clock.now += 0.3 - seconds
        slow.slow_one += 2
        slow.meanwhile = look

    def look() -> None:
        seen.append({run.state for run in rows(ids[3:])})

    slow.meanwhile = lose
    ids = slow.queue(6, record_start=False)
    slow.begin(engine).execute_all()

    assert seen == [{QUEUED}, {RUNNING}]
    assert {(run.state, run.attempts) for run in rows()} == {(SUCCEEDED, 1)}
    assert [run.worker == "other" for run in rows()].index(True) == taken
    assert slow.execution.recorded == 5


def test_a_run_that_began_is_not_begun_again_by_the_same_message(
    engine: Engine, slow: Slow, rows: Rows, clock: SimpleNamespace, record_start: bool
) -> None:
    """Its next attempt would have the same token and not be counted."""

    def fail() -> None:
        clock.now += 0.3  # so that the rest is read again
        raise ValueError("again")

    slow.meanwhile = fail
    ids = slow.queue(4, record_start=record_start, max_attempts=3, backoff_seconds=0.0)
    slow.ids = [*ids, *ids]
    slow.begin(engine).execute_all()

    assert slow.called == [0, 1, 2, 3]
    assert [(run.state, run.attempts) for run in rows()] == [
        *((SUCCEEDED, 1), (QUEUED, 1), (SUCCEEDED, 1), (SUCCEEDED, 1))
    ]


# Terminated workers


def test_a_worker_that_stops_records_finished_runs(
    session: Session,
    engine: Engine,
    slow: Slow,
    rows: Rows,
    heartbeat: StubHeartbeat,
    record_start: bool,
) -> None:
    """Other runs go to another worker without counting an attempt."""

    def stop() -> None:
        raise WorkerShutdown(0)

    slow.meanwhile = stop
    ids = slow.queue(4, record_start=record_start)
    with pytest.raises(WorkerShutdown):
        execute(session, delivery(session, ids, DUE, heartbeat=heartbeat))

    assert [run.state for run in rows()] == [SUCCEEDED, QUEUED, QUEUED, QUEUED]
    assert {(run.attempts, run.token) for run in rows(ids[1:])} == {(0, None)}
    given_back = [(run_id, None) for run_id in ids[1:]] if record_start else []
    assert heartbeat.given_back == given_back


def test_a_pool_process_that_stops_records_finished_runs(
    session: Session, slow: Slow, rows: Rows, heartbeat: StubHeartbeat
) -> None:
    """Other runs are left to its parent, which knows the reason."""

    def stop() -> None:
        raise SystemExit(-241)  # like billiard's SIGTERM handler

    slow.meanwhile = stop
    ids = slow.queue(4)
    with pytest.raises(SystemExit):
        execute(session, delivery(session, ids, DUE, heartbeat=heartbeat))

    assert heartbeat.given_back == []
    assert [run.state for run in rows()] == [SUCCEEDED, RUNNING, RUNNING, RUNNING]


@pytest.mark.parametrize(
    "error", [WorkerShutdown(0), TypeError("nobody thought of that")], ids=["to end", "unforeseen"]
)
def test_runs_that_the_watchdog_is_recording_are_not_given_back(
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    heartbeat: StubHeartbeat,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """Releasing the others waits for it."""
    finish, give_back = transitions.finish, transitions.give_back
    recording, giving_back = threading.Event(), threading.Event()

    def finish_slowly(*arguments: Any) -> set[int]:
        recording.set()
        giving_back.wait(0.5)
        return finish(*arguments)

    def note(*arguments: Any) -> Any:
        try:
            return give_back(*arguments)
        finally:
            giving_back.set()

    def abandon() -> None:
        clock.now += 0.3
        looking = threading.Thread(target=in_thread, args=(slow.execution.look,))
        looking.start()
        assert recording.wait(30)
        slow.execution.abandon(error)
        looking.join(30)

    monkeypatch.setattr(transitions, "finish", finish_slowly)
    monkeypatch.setattr(transitions, "give_back", note)
    slow.meanwhile = abandon
    slow.queue(3)
    slow.begin(engine, heartbeat=heartbeat).execute_all()

    assert [(run.state, run.result, run.attempts) for run in rows()] == [
        *((SUCCEEDED, 0, 1), (QUEUED, None, 0), (QUEUED, None, 0))
    ]
