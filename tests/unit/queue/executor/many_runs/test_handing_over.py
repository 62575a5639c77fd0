"""Release the rest of a slow message, despite errors and when its process ends."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from services.ledger.deliveries import LET_GO, Rows, Slow, abandon, in_thread
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor import execution
from taskadmin.store.runs import transitions
from taskadmin.store.upkeep import recovery

SUCCEEDED, QUEUED, RUNNING = RunState.SUCCEEDED, RunState.QUEUED, RunState.RUNNING


@pytest.mark.parametrize("who", ["the next look", "the worker"])
@pytest.mark.parametrize("what", ["give_back", "send"])
def test_a_hand_over_that_fails_is_repeated(
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
    what: str,
    who: str,
) -> None:
    """Meanwhile, this process begins none of these runs."""
    errors = [OperationalError("UPDATE", {}, Exception("gone"), connection_invalidated=True)]

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def first(*arguments: Any) -> Any:
            if errors:
                raise errors.pop()
            return function(*arguments)

        return first

    def look() -> None:
        clock.now += execution.MESSAGE_SECONDS + 0.1
        assert isinstance(in_thread(slow.execution.look), OperationalError)
        assert slow.sent.runs == []
        if who == "the next look":
            assert in_thread(slow.execution.look) is None
            assert slow.sent.runs == ids[2:]

    options: dict[str, Any] = {}
    if what == "send":
        options["send"] = failing(slow.sent)
    else:
        monkeypatch.setattr(transitions, "give_back", failing(transitions.give_back))
    slow.meanwhile = look
    ids = slow.queue(5, record_start=record_start)
    slow.begin(engine, **options).execute_all()

    assert (slow.sent.runs, slow.called) == (ids[2:], [0, 1])
    assert [run.state for run in rows()] == [SUCCEEDED] * 2 + [QUEUED] * 3
    assert {(run.attempts, run.token) for run in rows(ids[2:])} == {(0, None)}


def test_without_a_broker_they_are_the_launchers(
    session: Session,
    engine: Engine,
    slow: Slow,
    clock: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
    record_start: bool,
) -> None:
    """They stay queued for a launcher, and this process begins none."""
    tried: list[int] = []

    def away(_: Session, runs: list[Any], __: bool) -> None:
        tried.append(len(runs))
        raise BrokerUnavailable("gone")

    def look() -> None:
        clock.now += execution.MESSAGE_SECONDS + 0.1
        for _ in range(2):
            assert in_thread(slow.execution.look) is None

    slow.meanwhile = look
    ids = slow.queue(5, record_start=record_start)
    slow.begin(engine, send=away).execute_all()

    assert (tried, slow.called) == ([3], [0, 1])
    assert [run.id for run in recovery.waiting_runs(session)] == ids[2:]
    assert "The next launcher sends 3 runs: gone" in caplog.messages


# A function at its time limit


@pytest.mark.parametrize(
    ("max_attempts", "state"), [(1, RunState.FAILED), (3, QUEUED)], ids=["failed", "tried again"]
)
def test_a_run_over_its_time_limit_goes_alone(
    engine: Engine,
    slow: Slow,
    rows: Rows,
    clock: SimpleNamespace,
    record_start: bool,
    max_attempts: int,
    state: RunState,
) -> None:
    """Others are recorded or released before its process ends."""
    seen: list[list[TaskResult]] = []

    def end() -> None:
        clock.now += 0.2
        assert in_thread(slow.execution.over, 0.1) is None
        seen.append(rows())

    slow.meanwhile = end
    ids = slow.queue(5, record_start=record_start, max_attempts=max_attempts)
    slow.begin(engine).execute_all()

    [[first, over, *others]] = seen
    assert (first.state, first.attempts) == (SUCCEEDED, 1)
    assert (over.state, over.attempts) == (state, 1)
    assert over.attempt_log is not None
    [entry] = over.attempt_log
    assert (entry["error_type"], entry["attempt"]) == ("TimeLimitExceeded", 1)
    assert entry["error"].startswith("It took longer than the job's limit of 0.1 s.")
    if state == QUEUED:
        assert over.not_before is not None and (over.error_type, over.error) == (None, None)
    else:
        assert (over.error_type, over.not_before) == ("TimeLimitExceeded", None)
        assert (over.error or "").endswith(" Attempt 1 of 1: no more retries.")
    assert abandon(others) == {LET_GO}
    assert (slow.sent.runs, slow.called) == (ids[2:], [0, 1])
    # The function's result is ignored, since its process is ending.
    assert [(run.state, run.result) for run in rows(ids[1:2])] == [(state, None)]


def test_a_limit_that_is_noticed_too_late_ends_nothing(
    engine: Engine,
    slow: Slow,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    record_start: bool,
) -> None:
    """The function has returned, and other runs are executed here."""
    original = transitions.finish

    def over_between(*arguments: Any) -> Any:
        slow.execution.over(0.1)
        return original(*arguments)

    monkeypatch.setattr(execution, "_MAX_TAKEN", 1)
    monkeypatch.setattr(transitions, "finish", over_between)
    slow.queue(3, record_start=record_start)
    slow.begin(engine, other_session=None).execute_all()

    assert {(run.state, run.attempts) for run in rows()} == {(SUCCEEDED, 1)}
    assert slow.sent.runs == []
