"""Several runs of one message: each as if it were alone, their successes written together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.heartbeats import StubHeartbeat
from taskadmin.jobs import Job, all_jobs, registry
from taskadmin.jobs.random_number import GENERATE_RANDOM_NUMBER_JOB
from taskadmin.models import RunState, TaskResult
from taskadmin.queue import execution
from taskadmin.queue.execution import Delivery, execute_together
from taskadmin.store import recovery, unclaimed
from taskadmin.store.outcome import Outcome
from taskadmin.store.results import insert_runs
from taskadmin.store.transaction import ledger_transaction
from taskadmin.store.unclaimed import Success, complete_together

DUE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def runs(session: Session, make_task: MakeTask) -> list[int]:
    """Six queued runs, each of a task of its own."""
    tasks = [make_task(None, number, number + 0.5) for number in range(6)]
    with ledger_transaction(session):
        insert_runs(session, tasks, launch_id=1, due_at=DUE, jobs=all_jobs())
    return list(session.scalars(select(TaskResult.id).order_by(TaskResult.id)))


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts another function in the place of the one that draws numbers."""

    def put(function: Callable[..., Any], **options: Any) -> None:
        given = GENERATE_RANDOM_NUMBER_JOB
        job = Job(
            **{
                "name": given.name,
                "function": function,
                "arguments": given.arguments,
                "celery_task": given.celery_task,
                "queue": given.queue,
                "record_start": False,
                **options,
            }
        )
        monkeypatch.setitem(registry._jobs, job.name, job)

    return put


def together(
    session: Session, ids: Sequence[int], *, due_at: datetime = DUE, redelivered: bool = False
) -> None:
    """Execute a message of these runs."""
    heartbeat: Any = StubHeartbeat(session)
    execute_together(
        session,
        [
            Delivery(id_, due_at, "w1", redelivered=redelivered, heartbeat=lambda: heartbeat)
            for id_ in ids
        ],
    )


def states(session: Session) -> list[RunState]:
    """The states of all runs, in order of their ids."""
    session.expire_all()
    return list(session.scalars(select(TaskResult.state).order_by(TaskResult.id)))


def test_each_run_has_its_own_result(session: Session, runs: list[int]) -> None:
    """In its task's range, with times, worker and attempt."""
    together(session, runs)

    session.expire_all()
    for number, run in enumerate(session.scalars(select(TaskResult).order_by(TaskResult.id))):
        assert run.state == RunState.SUCCEEDED
        assert run.result is not None and number <= run.result <= number + 0.5
        assert (run.worker, run.attempts, run.output) == ("w1", 1, None)
        assert run.started_at is not None and run.finished_at is not None
        assert run.queued_at <= run.finished_at
        assert timedelta() <= run.finished_at - run.started_at < timedelta(seconds=5)


@pytest.mark.databases("postgresql")
def test_what_is_asked_does_not_grow_with_their_number(
    session: Session, runs: list[int], count_queries: CountQueries
) -> None:
    """One statement reads them, one writes them; the others are settings and the time."""
    with count_queries() as few:
        together(session, runs[:2])
    with count_queries() as many:
        together(session, runs[2:])

    assert len(few) == len(many) <= 6


def test_values_that_are_no_numbers_are_kept(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """JSON beside numbers, in the same statement."""
    values = iter([{"a": 1}, 2.5, "text", None, [1], True])
    instead(lambda **_: next(values))

    together(session, runs)

    session.expire_all()
    rows = session.execute(
        select(TaskResult.result, TaskResult.output).order_by(TaskResult.id)
    ).all()
    assert [tuple(row) for row in rows] == [
        *((None, {"a": 1}), (2.5, None), (None, "text"), (None, None), (None, [1]), (None, True))
    ]
    assert states(session) == [RunState.SUCCEEDED] * 6


def test_one_that_fails_fails_alone(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """With its traceback; a job that is tried again waits for its next attempt."""

    def fail(lower_limit: float, **_: Any) -> float:
        if lower_limit == 2:
            raise ValueError("not this one")
        return lower_limit

    instead(fail)
    together(session, runs[:4])
    assert states(session)[:4] == [
        *(RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.FAILED, RunState.SUCCEEDED)
    ]
    failed = session.get_one(TaskResult, runs[2])
    assert failed.error_type == "ValueError" and "not this one" in (failed.error or "")

    instead(lambda **_: 1 / 0, max_attempts=3)
    together(session, runs[4:])
    waiting = session.get_one(TaskResult, runs[5])
    assert (waiting.state, waiting.attempts) == (RunState.QUEUED, 1)
    assert waiting.not_before is not None


def test_others_are_left_alone(session: Session, runs: list[int]) -> None:
    """Cancelled, finished, deleted, or another run under the same id."""
    moment = datetime.now(UTC)
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == runs[0])
        .values(state=RunState.CANCELLED, finished_at=moment)
    )
    session.commit()
    together(session, [*runs[:2], 999_999])
    together(session, runs[2:4], due_at=DUE + timedelta(seconds=1))

    assert states(session)[:4] == [
        *(RunState.CANCELLED, RunState.SUCCEEDED, RunState.QUEUED, RunState.QUEUED)
    ]


def test_one_that_was_cancelled_meanwhile_stays_so(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """Its result comes too late; those of its neighbours count."""

    def cancel(lower_limit: float, **_: Any) -> float:
        if lower_limit == 1:
            session.execute(
                update(TaskResult)
                .where(TaskResult.id == runs[0])
                .values(state=RunState.CANCELLED, finished_at=datetime.now(UTC))
            )
            session.commit()
        return lower_limit

    instead(cancel)
    together(session, runs[:3])

    assert states(session)[:3] == [*(RunState.CANCELLED, RunState.SUCCEEDED, RunState.SUCCEEDED)]


def test_those_that_are_cancelled_before_their_turn_are_not_executed(
    session: Session,
    runs: list[int],
    instead: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of a message is read again after some time."""
    monkeypatch.setattr(execution, "_TOGETHER_SECONDS", 0.0)
    called: list[float] = []

    def cancel(lower_limit: float, **_: Any) -> float:
        called.append(lower_limit)
        session.execute(
            update(TaskResult)
            .where(TaskResult.id.in_(runs[3:5]))
            .values(state=RunState.CANCELLED, finished_at=datetime.now(UTC))
        )
        session.commit()
        return lower_limit

    instead(cancel)
    together(session, runs)

    assert called == [0, 1, 2, 5]
    ended, succeeded = RunState.CANCELLED, RunState.SUCCEEDED
    assert states(session) == [*[succeeded] * 3, ended, ended, succeeded]


def test_a_run_that_was_sent_twice_is_executed_once(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """Its messages lie next to each other where a launcher died before it noted what it sent."""
    called: list[float] = []

    def note(lower_limit: float, **_: Any) -> float:
        called.append(lower_limit)
        return lower_limit

    instead(note)
    together(session, [*runs[:4], *runs])

    assert called == [0, 1, 2, 3, 4, 5]
    assert states(session) == [RunState.SUCCEEDED] * 6


class Celsius(float):
    """A number that writes itself as NumPy's do."""

    def __repr__(self) -> str:
        return f"Celsius({float(self)})"


@pytest.mark.databases("postgresql")
def test_numbers_that_write_themselves_otherwise_are_numbers(
    session: Session, runs: list[int], instead: Callable[..., None], count_queries: CountQueries
) -> None:
    """They are recorded together with the others."""
    values = iter([HTTPStatus.NOT_FOUND, Celsius(21.5), -3, 1e300, 0.1, 2**70])
    instead(lambda **_: next(values))

    with count_queries() as statements:
        together(session, runs)

    assert len(statements) <= 6
    session.expire_all()
    results = session.scalars(select(TaskResult.result).order_by(TaskResult.id)).all()
    assert results == [404.0, 21.5, -3.0, 1e300, 0.1, 2.0**70]


def test_delivered_again_each_is_claimed_alone(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """Its first worker may have died of one of them, and which one has to be found out."""
    seen: list[RunState] = []

    def look(lower_limit: float, **_: Any) -> float:
        seen.append(session.get_one(TaskResult, runs[int(lower_limit)]).state)
        session.rollback()
        return lower_limit

    instead(look)
    together(session, runs[:2], redelivered=True)

    assert seen == [RunState.RUNNING, RunState.RUNNING]
    assert states(session)[:2] == [RunState.SUCCEEDED, RunState.SUCCEEDED]


def test_an_outcome_that_is_refused_harms_no_other(
    session: Session, runs: list[int], instead: Callable[..., None]
) -> None:
    """PostgreSQL takes no NUL in a text: of the others the results are kept."""
    values = iter(["fine", "\ud800", "fine"])
    instead(lambda **_: next(values))

    together(session, runs[:3])

    assert states(session)[0] == states(session)[2] == RunState.SUCCEEDED


def test_a_refused_statement_is_tried_run_by_run(
    session: Session, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database has against all of them."""
    original = complete_together

    def refuse(session: Session, done: Sequence[Success], token: UUID) -> set[int]:
        if len(done) > 1:
            raise DataError("UPDATE", {}, ValueError("no"))
        return original(session, done, token)

    monkeypatch.setattr(unclaimed, "complete_together", refuse)
    together(session, runs)

    assert states(session) == [RunState.SUCCEEDED] * 6


def test_what_nobody_foresaw_does_not_strand_the_runs(
    session: Session, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What isn't recorded is sent again soon, each run by itself; what is recorded stays so."""
    original = complete_together
    monkeypatch.setattr(execution, "_TOGETHER", 2)
    calls = []

    def stumble(*arguments: Any) -> set[int]:
        calls.append(1)
        if len(calls) == 2:
            raise TypeError("nobody thought of that")
        return original(*arguments)

    monkeypatch.setattr(unclaimed, "complete_together", stumble)
    with pytest.raises(TypeError):
        together(session, runs)

    assert states(session) == [*[RunState.SUCCEEDED] * 2, *[RunState.QUEUED] * 4]
    session.execute(update(TaskResult).values(not_before=DUE).where(TaskResult.not_before > DUE))
    session.commit()
    assert [run.id for run in recovery.waiting_runs(session)] == runs[2:]


def test_an_outage_is_waited_out(
    session: Session, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost, the statement was done: nothing is done twice."""
    original, calls = complete_together, []

    def lose(*arguments: Any) -> set[int]:
        calls.append(1)
        recorded = original(*arguments)
        if len(calls) == 1:
            raise OperationalError("UPDATE", {}, OSError("gone"))
        return recorded

    monkeypatch.setattr(unclaimed, "complete_together", lose)
    together(session, runs)

    assert len(calls) == 2
    assert states(session) == [RunState.SUCCEEDED] * 6


def test_a_stranger_records_nothing(session: Session, runs: list[int]) -> None:
    """Whoever comes second changes no row."""
    done = [
        Success(run_id, DUE, Outcome(worker="w", elapsed=timedelta(seconds=1), result=number))
        for number, run_id in enumerate(runs)
    ]
    first, second = uuid4(), uuid4()
    assert complete_together(session, done[:4], first) == {*runs[:4]}
    assert complete_together(session, done, second) == {*runs[4:]}
    assert complete_together(session, done[:4], first) == {*runs[:4]}, "it knows its own"


def test_a_message_that_takes_long_lets_the_rest_go(
    session: Session, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for messages of their own; the broker would take this one back."""
    monkeypatch.setattr(execution, "_MESSAGE_SECONDS", -1.0)

    together(session, runs)

    assert states(session) == [RunState.QUEUED] * 6
    session.expire_all()
    assert all(run.not_before for run in session.scalars(select(TaskResult)))
