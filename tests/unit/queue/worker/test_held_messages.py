"""A worker's report on messages that it holds without progress."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from sqlalchemy import text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows import runs
from taskadmin.jobs import all_jobs
from taskadmin.queue.worker import held_messages, limits
from taskadmin.queue.worker.held_messages import HeldMessages
from taskadmin.queue.worker.request import LedgerRequest


class Request(LedgerRequest):
    """A message of a run that a worker holds."""

    def __init__(self, run_id: int) -> None:
        self.id, self.name = str(run_id), "taskadmin.run"
        self._args, self._argsrepr = (run_id, "2026-01-01T00:00:00+00:00"), f"({run_id})"

    args = property(lambda self: self._args)
    argsrepr = property(lambda self: self._argsrepr)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The elapsed seconds."""
    now = [1000.0]
    for module in (held_messages, limits):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker with two processes and no messages."""
    active, reserved = set[Any](), set[Any]()
    monkeypatch.setattr(state, "active_requests", active)
    monkeypatch.setattr(state, "reserved_requests", reserved)
    held = HeldMessages(SimpleNamespace(num_processes=2))
    return SimpleNamespace(active=active, reserved=reserved, look=held.look)


def test_messages_that_wait_for_a_process_are_well(
    session: Session, clock: list[float], worker: Any
) -> None:
    """As long as all processes are busy."""
    worker.active |= {Request(1), Request(2)}
    worker.reserved |= {*worker.active, Request(3)}
    for _ in range(4):
        assert worker.look(session) is None
        clock[0] += 40
        worker.active.clear()
        worker.active |= {Request(int(clock[0])), Request(int(clock[0]) + 1)}


def test_messages_that_wait_while_processes_are_idle(
    session: Session, clock: list[float], worker: Any
) -> None:
    """They are reported after a minute, until they begin."""
    waiting = Request(1)
    worker.reserved.add(waiting)
    assert worker.look(session) is None
    clock[0] += 50
    assert worker.look(session) is None
    clock[0] += 20
    assert worker.look(session) == (
        "It has held 1 message for more than a minute without starting,"
        " although it executes 0 of at most 2 at once."
    )
    worker.active.add(waiting)
    assert worker.look(session) is None


def test_a_process_that_has_just_become_idle_has_time(
    session: Session, clock: list[float], worker: Any
) -> None:
    """A message that has waited long begins now."""
    worker.active |= {Request(1), Request(2)}
    worker.reserved |= {*worker.active, Request(3)}
    assert worker.look(session) is None
    clock[0] += 90
    worker.active.pop()
    assert worker.look(session) is None


def test_a_function_beyond_its_limit(session: Session, clock: list[float], worker: Any) -> None:
    """Pools that don't enforce limits report it."""
    job = dataclasses.replace(all_jobs()["generate_random_number"], time_limit=100)
    with limits.function_runs(1, job, None):
        for seconds in (0, 100, 55):
            clock[0] += seconds
            assert worker.look(session) is None
        clock[0] += 10
        assert worker.look(session) == (
            "Run 1 (generate_random_number) has been running for 165 s, beyond its job's limit"
            " of 100 s."
        )
    assert worker.look(session) is None


def test_a_message_whose_run_is_over(
    session: Session, make_task: MakeTask, clock: list[float], worker: Any
) -> None:
    """Its pool has lost it; while the run is running, nothing is reported."""
    run_id = runs.queue(session, make_task().id)
    worker.active.add(Request(run_id))
    assert worker.look(session) is None
    clock[0] += 70
    assert worker.look(session) is None

    def finish(ago: str) -> None:
        session.execute(
            text(
                "UPDATE taskadmin_task_result SET state = 'failed', finished_at = :at WHERE id = :id"
            ),
            {"at": ago, "id": run_id},
        )
        session.commit()

    finish("2999-01-01 00:00:00.000000+00:00")  # just now, or not yet
    assert worker.look(session) is None
    finish("2020-01-01 00:00:00.000000+00:00")
    assert worker.look(session) == (
        f"It still holds the message of run {run_id}, which finished more than a minute ago."
    )


def test_a_hosts_own_tasks_are_its_own(session: Session, clock: list[float], worker: Any) -> None:
    """They can take any time."""
    worker.active.add("a request of another sort")
    clock[0] += 5000
    assert worker.look(session) is None
