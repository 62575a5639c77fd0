"""During a slow run, earlier outcomes are recorded and later runs released."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from fixture_types import AtOnce
from services.ledger.deliveries import (
    LET_GO,
    QueueRuns,
    Rows,
    Sent,
    Slow,
    abandon,
    delivery,
    in_thread,
)
from services.rows.runs import DUE
from services.servers.processes import wait_for
from taskadmin.models import RunState
from taskadmin.queue.executor import execution, watchdog
from taskadmin.queue.executor.execution import execute
from taskadmin.store.runs import open_runs, transitions
from taskadmin.store.upkeep import recovery

SUCCEEDED, QUEUED, RUNNING = RunState.SUCCEEDED, RunState.QUEUED, RunState.RUNNING


def test_finished_runs_are_recorded_after_a_quarter_of_a_second(
    engine: Engine, slow: Slow, rows: Rows, clock: SimpleNamespace, record_start: bool
) -> None:
    """By the watchdog's thread with its own session; later runs stay for a while."""
    before = RUNNING if record_start else QUEUED
    seen: list[list[RunState]] = []

    def look() -> None:
        for seconds in (0.2, 0.1):
            clock.now += seconds
            assert in_thread(slow.execution.look) is None
            seen.append([run.state for run in rows()])

    slow.meanwhile = look
    slow.queue(4, record_start=record_start)
    slow.begin(engine).execute_all()

    assert seen == [[before] * 4, [SUCCEEDED, *[before] * 3]]
    assert [run.result for run in rows()] == slow.called == [0, 1, 2, 3]
    assert (slow.sent.runs, slow.execution.recorded) == ([], 4)


def test_the_rest_of_a_message_that_takes_long_is_let_go_meanwhile(
    session: Session,
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    record_start: bool,
) -> None:
    """They are sent again in several messages, and not begun here."""
    seen: list[Any] = []

    def send(other: Session, *rest: Any) -> None:
        assert other is not session
        slow.sent(other, *rest)

    def look() -> None:
        clock.now += execution.MESSAGE_SECONDS + 0.1
        assert in_thread(slow.execution.look) is None
        first, second, *others = rows()
        seen.extend([first.state, second.state, abandon(others)])
        assert in_thread(slow.execution.look) is None  # there is nothing more to let go

    slow.meanwhile = look
    ids = slow.queue(5, record_start=record_start)
    slow.begin(engine, send=send).execute_all()

    assert seen == [SUCCEEDED, RUNNING if record_start else QUEUED, {LET_GO}]
    assert (slow.sent.runs, slow.sent.alone) == (ids[2:], [False])
    assert [run.id for run in recovery.waiting_runs(session)] == ids[2:]
    assert slow.called == [0, 1]
    assert [run.state for run in rows()] == [SUCCEEDED] * 2 + [QUEUED] * 3
    assert {run.attempts for run in rows(ids[:2])} == {1}


def test_a_real_watchdog_lets_the_rest_go(
    engine: Engine, session: Session, slow: Slow, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks repeatedly by itself."""
    monkeypatch.setattr(watchdog, "_CHECK_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(execution, "MESSAGE_SECONDS", 0.1)
    handed_over = threading.Event()

    def send(*arguments: Any) -> None:
        slow.sent(*arguments)
        handed_over.set()

    def look() -> None:
        assert handed_over.wait(30)

    slow.slow_one = 0
    slow.meanwhile = look
    ids = slow.queue(3)
    message = delivery(session, ids, DUE, send=send, other_session=lambda: Session(engine))

    assert execute(session, message) == 1

    assert (slow.called, slow.sent.runs) == ([0], ids[1:])
    assert abandon(rows(ids[1:])) == {LET_GO}


def test_messages_that_are_executed_at_the_same_time_are_kept_apart(
    engine: Engine,
    queue_runs: QueueRuns,
    rows: Rows,
    at_once: AtOnce,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """In threads of one process, which share a watchdog."""
    monkeypatch.setattr(watchdog, "_CHECK_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(execution, "MESSAGE_SECONDS", 0.1)
    both_run = threading.Barrier(2, timeout=30)
    sent, called = {0: Sent(), 3: Sent()}, list[int]()

    def a_job(number: int) -> None:
        called.append(number)
        both_run.wait()
        wait_for(lambda: bool(sent[number].alone), what=f"the rest behind {number} being sent")

    ids = queue_runs(a_job, 6, record_start=record_start)

    def receive(first: int) -> int:
        options: dict[str, Any] = {"send": sent[first], "other_session": lambda: Session(engine)}
        with Session(engine) as session:
            return execute(session, delivery(session, ids[first : first + 3], DUE, **options))

    assert at_once(lambda: receive(0), lambda: receive(3)) == [1, 1]

    assert sorted(called) == [0, 3]
    assert [run.state for run in rows([ids[0], ids[3]])] == [SUCCEEDED] * 2
    assert [one.runs for one in sent.values()] == [ids[1:3], ids[4:6]]
    assert abandon(rows([*ids[1:3], *ids[4:6]])) == {LET_GO}


def test_without_another_session_the_rest_is_let_go_afterwards(
    engine: Engine, slow: Slow, rows: Rows, clock: SimpleNamespace, record_start: bool
) -> None:
    """Before this message is acknowledged."""

    def look() -> None:
        clock.now += execution.MESSAGE_SECONDS + 0.1
        assert in_thread(slow.execution.look) is None
        assert slow.sent.runs == []

    slow.meanwhile = look
    ids = slow.queue(5, record_start=record_start)
    slow.begin(engine, other_session=None).execute_all()

    assert (slow.sent.runs, slow.sent.alone, slow.called) == (ids[2:], [False], [0, 1])
    assert abandon(rows(ids[2:])) == {LET_GO}


def test_functions_that_take_long_in_sum_let_the_rest_go(
    engine: Engine, slow: Slow, rows: Rows, clock: SimpleNamespace, record_start: bool
) -> None:
    """Even if none of them is slow."""

    class Slowly(list[int]):
        def append(self, number: int) -> None:
            super().append(number)
            clock.now += execution.MESSAGE_SECONDS / 2.5

    slow.called = Slowly()
    ids = slow.queue(6, record_start=record_start)
    slow.begin(engine).execute_all()

    assert (slow.called, slow.sent.runs) == ([0, 1, 2], ids[3:])
    assert abandon(rows(ids[3:])) == {LET_GO}


@pytest.mark.parametrize("name", ["read_open", "claim", "finish"])
def test_a_slow_database_is_no_slow_function(
    engine: Engine,
    slow: Slow,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """All runs are executed here, however slow the statements."""
    module = open_runs if name == "read_open" else transitions
    original = getattr(module, name)

    def slowly(*arguments: Any, **options: Any) -> Any:
        clock.now += 1.5 * execution.MESSAGE_SECONDS
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, slowly)
    slow.queue(5)
    slow.begin(engine).execute_all()
    assert (slow.called, slow.sent.runs) == ([0, 1, 2, 3, 4], [])
