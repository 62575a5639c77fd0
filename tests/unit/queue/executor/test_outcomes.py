"""Reactions of a worker when the database refuses a statement, by error and cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows, Sent, delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome_columns import FinishedRun


class Way(NamedTuple):
    """How runs are executed: with or without recorded start, alone or in one message."""

    record_start: bool
    number: int


ALONE = {"claimed": Way(True, 1), "unclaimed": Way(False, 1)}
#: The first two claimed runs go alone, since the job's duration is unknown.
TOGETHER = {"claimed together": Way(True, 3), "unclaimed together": Way(False, 2)}
WAYS = ALONE | TOGETHER


def each(ways: dict[str, Way]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", ways.values(), ids=ways)


@pytest.fixture
def calls() -> list[int]:
    """One entry per call of the job."""
    return []


@pytest.fixture
def queue(queue_runs: QueueRuns, calls: list[int]) -> Callable[[Way], list[int]]:
    """Queue runs of a job that counts its calls."""

    def a_job() -> int:
        calls.append(1)
        return 1

    return lambda way: queue_runs(a_job, way.number, record_start=way.record_start)


def run_them(session: Session, ids: list[int], **options: Any) -> StubHeartbeat:
    heartbeat = StubHeartbeat(session)
    execute(session, delivery(session, ids, DUE, heartbeat=heartbeat, **options))
    return heartbeat


@pytest.fixture
def breaks(session: Session) -> Iterator[Callable[..., list[str]]]:
    """Let the first statements that record runs fail with a real error of the server."""
    engine: Any = session.get_bind()
    added: list[Any] = []

    def arrange(statement: str, *, times: int = 1) -> list[str]:
        done: list[str] = []

        def first(
            _connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any
        ) -> tuple[str, Any]:
            if "UPDATE taskadmin_task_result" in sql and "finished_at" in sql and len(done) < times:
                done.append(sql)
                return statement, ()
            return sql, parameters

        event.listen(engine, "before_cursor_execute", first, retval=True)
        added.append(first)
        return done

    yield arrange
    for first in added:
        event.remove(engine, "before_cursor_execute", first)


def raising(code: str) -> str:
    """Return a statement that fails with this SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'as arranged' USING ERRCODE = '{code}'; END $$"


#: SQLSTATEs of errors that pass, or don't occur on another connection.
PASSING = ("42P05", "40P01", "40001", "25P01", "53300", "57P01", "55P03", "08006")


@pytest.mark.databases("postgresql")
@each(WAYS)
def test_transient_errors_are_retried(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    breaks: Callable[..., list[str]],
    slept: list[float],
    calls: list[int],
    way: Way,
) -> None:
    """The returned result is recorded without calling the job again."""
    # The first one is 26000, as behind a pooler.
    for statement in ("EXECUTE _pg3_55", *map(raising, PASSING)):
        slept.clear()
        calls.clear()
        ids = queue(way)
        broken = breaks(statement, times=2)
        heartbeat = run_them(session, ids)
        found = {(run.state, run.result, run.attempts) for run in rows(ids)}
        assert found == {(RunState.SUCCEEDED, 1, 1)}, statement
        assert (len(broken), len(slept), len(calls)) == (2, 2, way.number), statement
        assert heartbeat.given_back == []


#: Errors of statements that waiting doesn't fix.
REFUSED = {
    **dict.fromkeys(map(raising, ("22021", "23514", "54001")), "as arranged"),
    f"SELECT CAST('{'[' * 100_000}{']' * 100_000}' AS json)": "stack depth limit exceeded",
}


@pytest.mark.databases("postgresql")
@each(ALONE)
def test_a_refused_outcome_fails_the_run(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    breaks: Callable[..., list[str]],
    slept: list[float],
    calls: list[int],
    way: Way,
) -> None:
    """At once, because it would be refused every time."""
    for statement, said in REFUSED.items():
        calls.clear()
        ids = queue(way)
        breaks(statement)
        run_them(session, ids)
        [run] = rows(ids)
        assert (run.state, run.error_type, run.attempts) == (RunState.FAILED, "UnstorableResult", 1)
        assert run.error == f"The database refused the outcome: {said}"
        assert (slept, calls) == ([], [1])


@each(WAYS)
def test_of_outcomes_that_are_recorded_together_only_the_refused_one_fails(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
) -> None:
    """They are retried one by one."""
    original, tried = transitions.finish, []

    def refuse(session: Session, done: list[FinishedRun], *rest: Any) -> set[int]:
        tried.append(len(done))
        if any(one.outcome.result == way.number - 1 for one in done):
            raise DataError("UPDATE", {}, Exception("too large"))
        return original(session, done, *rest)

    def a_job(number: int) -> int:
        return number

    monkeypatch.setattr(transitions, "finish", refuse)
    ids = queue_runs(a_job, way.number, record_start=way.record_start)
    run_them(session, ids)
    *others, refused = rows()
    assert [run.state for run in others] == [RunState.SUCCEEDED] * len(others)
    assert (refused.state, refused.error_type) == (RunState.FAILED, "UnstorableResult")
    assert refused.error == "The database refused the outcome: too large"
    assert (2 in tried) == (way.number > 1)


@pytest.mark.databases("postgresql")
@each(ALONE)
def test_errors_outside_the_job_charge_no_attempt(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    breaks: Callable[..., list[str]],
    slept: list[float],
    way: Way,
) -> None:
    """The message is requeued; the run is unchanged, and the next worker executes it."""
    for code in ("42501", "XX000", "42703", "58030"):
        ids = queue(way)
        breaks(raising(code))
        with pytest.raises(DBAPIError, match="as arranged"):
            run_them(session, ids)
        [run] = rows(ids)
        assert (run.state, run.attempts, run.token) == (RunState.QUEUED, 0, None), code
        assert (run.attempt_log, slept) == (None, [])
        run_them(session, ids)
        [run] = rows(ids)
        assert (run.state, run.attempts) == (RunState.SUCCEEDED, 1), code


@pytest.mark.databases("postgresql")
def test_the_last_delivery_is_counted(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    breaks: Callable[..., list[str]],
) -> None:
    """Otherwise, a run that can't be recorded would be executed for ever."""
    ids = queue(WAYS["claimed"])
    breaks(raising("XX000"))
    with pytest.raises(DBAPIError, match="as arranged"):
        run_them(session, ids, is_last=True)
    [run] = rows()
    assert (run.state, run.attempts) == (RunState.QUEUED, 1)
    assert run.attempt_log
    [entry] = run.attempt_log
    assert entry["error_type"] == "WorkerFailed"
    assert entry["error"] == ("Its worker failed: sqlalchemy.exc.InternalError: as arranged")


@pytest.mark.databases("postgresql")
@each(TOGETHER)
def test_runs_of_a_message_get_messages_of_their_own(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    breaks: Callable[..., list[str]],
    caplog: pytest.LogCaptureFixture,
    way: Way,
) -> None:
    """That shows which run causes it; no attempt is counted."""
    ids, sent = queue(way), Sent()
    breaks(raising("XX000"))
    run_them(session, ids, send=sent)
    assert (sent.runs, sent.alone) == (ids, [True])
    waiting = {(run.state, run.attempts, run.token, run.not_before is None) for run in rows()}
    assert waiting == {(RunState.QUEUED, 0, None, False)}
    [said] = (one.getMessage() for one in caplog.records if one.levelname == "WARNING")
    assert said == (
        "Runs of a failed message get messages of their own: sqlalchemy.exc.InternalError: as arranged"
    )
    assert "Traceback" not in caplog.text


@each(WAYS)
def test_a_run_that_is_due_later_is_not_executed(
    session: Session, queue: Callable[[Way], list[int]], calls: list[int], way: Way
) -> None:
    """Until its time has come."""
    ids = queue(way)
    for hours, expected in ((1, 0), (-1, way.number)):
        moment = datetime.now(UTC) + timedelta(hours=hours)
        session.execute(update(TaskResult).values(not_before=moment))
        session.commit()
        run_them(session, ids)
        assert len(calls) == expected


@pytest.mark.databases("postgresql")
def test_a_right_that_is_missing_is_waited_for_with_the_whole_message(
    session: Session,
    queue: Callable[[Way], list[int]],
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Separate messages would be refused as often."""
    ids, sent = queue(WAYS["claimed together"]), Sent()

    def refused(session: Session, *_: Any) -> None:
        session.execute(text(raising("42501")))

    monkeypatch.setattr(transitions, "finish", refused)
    with pytest.raises(DBAPIError, match="as arranged"):
        run_them(session, ids, send=sent)
    assert sent.runs == []
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.QUEUED, 0)}
