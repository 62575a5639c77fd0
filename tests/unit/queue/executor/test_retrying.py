"""Reactions of a worker to an unreachable database and to lost responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded, WorkerShutdown
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows, delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.models import RunState
from taskadmin.queue.executor import claiming, retrying
from taskadmin.queue.executor.execution import execute
from taskadmin.store.runs import open_runs, transitions

#: Whether starts are recorded, and the runs per message.
WAYS = [(True, 1), (False, 1), (True, 3), (False, 3)]
each_way = pytest.mark.parametrize(("record_start", "number"), WAYS)


def outage() -> OperationalError:
    """Return SQLAlchemy's error for a lost database."""
    return OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)


@pytest.fixture
def fails_first(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a function of the store raise these errors, before or after its work."""

    def arrange(module: Any, name: str, *errors: BaseException, after: bool = False) -> None:
        original, left = getattr(module, name), list(errors)

        def stumble(*arguments: Any, **options: Any) -> Any:
            if left and not after:
                raise left.pop(0)
            done = original(*arguments, **options)
            if left:
                raise left.pop(0)
            return done

        monkeypatch.setattr(module, name, stumble)

    return arrange


@each_way
def test_an_outage_while_recording_is_waited_out(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    fails_first: Callable[..., None],
    slept: list[float],
    record_start: bool,
    number: int,
) -> None:
    """The job isn't called again: its result is recorded when the database is back."""
    called: list[int] = []
    ids = queue_runs(lambda: called.append(1), number, record_start=record_start)
    fails_first(transitions, "finish", *[outage() for _ in range(30)])

    assert execute(session, delivery(session, ids, DUE, heartbeat=heartbeat)) == number

    assert len(called) == number
    assert len(slept) == 30
    assert max(slept) <= 3.0
    assert [run.state for run in rows()] == [RunState.SUCCEEDED] * number


@each_way
def test_an_answer_that_is_lost_after_the_commit_changes_nothing(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    fails_first: Callable[..., None],
    slept: list[float],
    record_start: bool,
    number: int,
) -> None:
    """The connection died after claim and recording, so both are repeated."""
    for name in ("claim", "finish"):
        fails_first(transitions, name, outage(), after=True)
    ids = queue_runs(lambda: 5, number, record_start=record_start)

    assert execute(session, delivery(session, ids, DUE, heartbeat=heartbeat)) == number

    assert {(run.state, run.result, run.attempts) for run in rows()} == {(RunState.SUCCEEDED, 5, 1)}


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("after", [False, True], ids=["nothing was claimed", "one was claimed"])
def test_runs_that_can_not_be_claimed_are_given_back(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    fails_first: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    after: bool,
) -> None:
    """After a while, the message goes to another worker."""
    monkeypatch.setattr(claiming, "TAKE_SECONDS", 0.3)
    called: list[int] = []
    ids = queue_runs(lambda: called.append(1), number)
    fails_first(transitions, "claim", *[outage() for _ in range(100)], after=after)

    with pytest.raises(OperationalError):
        execute(session, delivery(session, ids, DUE, heartbeat=heartbeat))

    assert called == []
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.QUEUED, 0)}
    # The first one's job is unknown, so nothing is claimed beside it, and no attempt is counted.
    assert heartbeat.given_back == [(ids[0], None)]


def test_a_message_whose_runs_can_not_be_read_goes_back(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    fails_first: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while, without releasing runs."""
    monkeypatch.setattr(claiming, "TAKE_SECONDS", 0.3)
    ids = queue_runs(lambda: 1, 2)
    fails_first(open_runs, "read_open", *[outage() for _ in range(100)])

    with pytest.raises(OperationalError):
        execute(session, delivery(session, ids, DUE, heartbeat=heartbeat))

    assert (heartbeat.id, heartbeat.given_back) == (None, [])


@each_way
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), KeyboardInterrupt(), GeneratorExit()])
def test_late_signals_of_a_job_do_not_prevent_recording(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    fails_first: Callable[..., None],
    slept: list[float],
    record_start: bool,
    number: int,
    error: BaseException,
) -> None:
    """A time limit or a forgotten timer doesn't prevent recording."""
    called: list[int] = []
    ids = queue_runs(lambda: called.append(1), number, record_start=record_start)
    fails_first(transitions, "finish", error)

    execute(session, delivery(session, ids, DUE))

    assert [run.state for run in rows()] == [RunState.SUCCEEDED] * number
    assert (len(slept), len(called)) == (1, number)


@pytest.mark.parametrize(
    "error", [DataError("SELECT", {}, Exception("wrong")), WorkerShutdown(0), SystemExit(-241)]
)
def test_permanent_errors_are_not_retried(
    session: Session, slept: list[float], error: BaseException
) -> None:
    """A wrong statement stays wrong, and a terminated worker doesn't wait."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        retrying.with_retries(session, fail, what="Trying")
    assert slept == []
