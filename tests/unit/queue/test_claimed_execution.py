"""What a worker does with a run whose start is recorded, without a worker."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded, WorkerShutdown
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text, update
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.heartbeats import StubHeartbeat
from taskadmin.jobs import Job, registry
from taskadmin.models import Process, ProcessEnd, RunState, Task, TaskResult
from taskadmin.queue import execution, patience
from taskadmin.queue.execution import Delivery, execute
from taskadmin.store import claims, processes, unclaimed
from taskadmin.store.results import insert_runs

DUE = datetime(2026, 1, 1, tzinfo=UTC)


class Arguments(BaseModel):
    """None are needed."""

    model_config = ConfigDict(extra="ignore")


@pytest.fixture
def heartbeat(session: Session) -> StubHeartbeat:
    """This process's."""
    return StubHeartbeat(session)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the job that runs of ``a_job`` call."""

    def make(function: Callable[[], Any], **options: Any) -> None:
        monkeypatch.setitem(
            registry._jobs,
            "a_job",
            Job(
                name="a_job",
                function=function,
                arguments=Arguments,
                celery_task="taskadmin.run",
                queue="taskadmin.runs",
                **options,
            ),
        )

    return make


@pytest.fixture
def queued(session: Session, make_task: MakeTask) -> Callable[[], int]:
    """Queues a run of ``a_job`` and returns its id."""

    def queue() -> int:
        task = make_task(job="a_job")
        insert_runs(session, [task], launch_id=1, due_at=DUE, jobs=registry.all_jobs())
        session.commit()
        run = session.query(TaskResult).one()
        return run.id

    return queue


def deliver(run_id: int, heartbeat: StubHeartbeat, *, redelivered: bool = False) -> Delivery:
    return Delivery(run_id, DUE, "w1@host", redelivered, lambda: heartbeat)  # type: ignore[arg-type, return-value]


def reload(session: Session) -> TaskResult:
    session.expire_all()
    return session.query(TaskResult).one()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Outages without their waiting times."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    return slept


def outage() -> OperationalError:
    """What a database that goes away makes SQLAlchemy raise."""
    return OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)


def test_the_run_is_running_while_its_job_runs(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """People see it, and other deliveries leave it alone."""
    seen: list[Any] = []

    def look() -> str:
        run = reload(session)
        seen.append((run.state, run.attempts, run.process_id == heartbeat.id))
        session.rollback()
        seen.append(execute(session, deliver(run_id, StubHeartbeat(session), redelivered=True)))
        return "done"

    job(look)
    run_id = queued()

    assert execute(session, deliver(run_id, heartbeat))

    assert seen == [(RunState.RUNNING, 1, True), False]
    run = reload(session)
    assert (run.state, run.output, run.attempts) == (RunState.SUCCEEDED, "done", 1)


def test_a_redelivered_message_is_claimed_whatever_the_job(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """Its first worker may have died of it: attempts have to be counted."""
    job(lambda: 1, record_start=False)
    run_id = queued()
    execute(session, deliver(run_id, heartbeat, redelivered=True))
    assert heartbeat.id is not None
    assert reload(session).result == 1


def test_a_failed_attempt_is_tried_again_later(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """By the job's policy, and the last one is the run's error."""

    def fail() -> None:
        raise ValueError("not yet")

    job(fail, max_attempts=2, backoff_seconds=60.0)
    run_id = queued()

    execute(session, deliver(run_id, heartbeat))
    run = reload(session)
    assert (run.state, run.attempts, run.error_type) == (RunState.QUEUED, 1, None)
    assert run.not_before is not None
    assert run.started_at is not None
    wait = run.not_before - run.started_at
    assert timedelta(seconds=59) < wait < timedelta(seconds=75)

    session.execute(update(TaskResult).values(not_before=None))
    session.commit()
    execute(session, deliver(run_id, heartbeat))
    run = reload(session)
    assert (run.state, run.attempts, run.error_type) == (RunState.FAILED, 2, "ValueError")
    assert run.attempt_log is not None
    assert len(run.attempt_log) == 2


def test_a_job_whose_start_is_not_recorded_is_retried_too(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """Its first failure is an attempt, too."""

    def fail() -> None:
        raise ValueError("not yet")

    job(fail, max_attempts=2, record_start=False)
    run_id = queued()
    execute(session, deliver(run_id, heartbeat))
    run = reload(session)
    assert (run.state, run.attempts, heartbeat.id) == (RunState.QUEUED, 1, None)


def test_the_wait_doubles_with_each_attempt_up_to_an_hour() -> None:
    """10 s, 20 s, 40 s …"""
    a_job = dataclasses.replace(registry.all_jobs()["generate_random_number"], backoff_seconds=10.0)
    assert [a_job.delay_after(n) for n in (1, 2, 3, 9, 10, 1000)] == [
        10.0,
        20.0,
        40.0,
        2560.0,
        3600.0,
        3600.0,
    ]


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), SoftTimeLimitExceeded()])
def test_whatever_a_job_raises_is_its_runs_error(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any, error: BaseException
) -> None:
    """It ends the run, not the worker."""

    def fail() -> None:
        raise error

    job(fail)
    execute(session, deliver(queued(), heartbeat))
    run = reload(session)
    assert run.state == RunState.FAILED
    assert run.error_type is not None
    assert run.error_type.endswith(type(error).__name__)
    assert heartbeat.given_back == []


def test_a_worker_that_is_stopped_inside_a_job_lets_its_run_go(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """The run isn't failed by it: another worker gets it, and it isn't charged for the attempt."""

    def stop() -> None:
        raise WorkerShutdown(0)

    job(stop)
    with pytest.raises(WorkerShutdown):
        execute(session, deliver(queued(), heartbeat))
    run = reload(session)
    assert heartbeat.given_back == [(run.id, None)]
    assert (run.state, run.attempts, run.token, run.process_id) == (RunState.QUEUED, 0, None, None)
    assert run.not_before is not None


def test_a_child_that_is_told_to_end_leaves_its_run_to_its_parent(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """Only that one knows why: a run over its time limit is charged for the attempt."""

    def stop() -> None:
        raise SystemExit(-241)  # as billiard's handler of SIGTERM does

    job(stop)
    with pytest.raises(SystemExit):
        execute(session, deliver(queued(), heartbeat))
    assert heartbeat.given_back == []
    assert (reload(session).state, reload(session).attempts) == (RunState.RUNNING, 1)


def test_a_process_that_was_taken_for_gone_claims_under_its_new_id(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """It was stopped for longer than the lease, and goes on."""
    job(lambda: 1)
    run_id = queued()
    old = heartbeat.process_id()
    processes.mark_gone(session, old, ProcessEnd.LOST, "silent")
    assert execute(session, deliver(run_id, heartbeat))
    assert heartbeat.id != old
    assert session.query(Process).count() == 2
    assert reload(session).state == RunState.SUCCEEDED


@pytest.mark.parametrize("record_start", [True, False])
def test_an_outage_while_recording_is_waited_out(
    session: Session,
    heartbeat: StubHeartbeat,
    job: Any,
    queued: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: list[float],
    record_start: bool,
) -> None:
    """The job isn't called again for it: what it returned is recorded when the database is back."""
    called: list[int] = []
    job(lambda: called.append(1), record_start=record_start)
    name = "complete" if record_start else "complete_unclaimed"
    module = claims if record_start else unclaimed
    original = getattr(module, name)
    failures = iter([outage()] * 30)

    def fail_first(*arguments: Any, **options: Any) -> Any:
        for error in failures:
            raise error
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, fail_first)

    assert execute(session, deliver(queued(), heartbeat))

    assert len(called) == 1
    assert len(no_waiting) == 30
    assert max(no_waiting) <= 3.0
    assert reload(session).state == RunState.SUCCEEDED


def test_an_answer_that_is_lost_after_the_commit_changes_nothing(
    session: Session,
    heartbeat: StubHeartbeat,
    job: Any,
    queued: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: list[float],
) -> None:
    """Claim and completion were done, but the connection died: both are repeated."""
    for name in ("claim", "complete"):
        original = getattr(claims, name)
        lost = iter([True])

        def do_and_fail(
            *arguments: Any, original: Any = original, lost: Any = lost, **options: Any
        ) -> Any:
            done = original(*arguments, **options)
            if next(lost, False):
                raise outage()
            return done

        monkeypatch.setattr(claims, name, do_and_fail)
    job(lambda: 5)

    assert execute(session, deliver(queued(), heartbeat))

    run = reload(session)
    assert (run.state, run.result, run.attempts) == (RunState.SUCCEEDED, 5, 1)


def test_a_run_that_can_not_be_taken_is_given_back(
    session: Session,
    heartbeat: StubHeartbeat,
    job: Any,
    queued: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while; nothing was done, and the message goes to whoever reaches the database."""
    monkeypatch.setattr(execution, "TAKE_SECONDS", 0.3)
    called: list[int] = []
    job(lambda: called.append(1))
    run_id = queued()

    def fail(*_: Any, **__: Any) -> None:
        raise outage()

    monkeypatch.setattr(claims, "claim", fail)
    with pytest.raises(OperationalError):
        execute(session, deliver(run_id, heartbeat))
    assert called == []
    assert reload(session).state == RunState.QUEUED
    [(given, problem)] = heartbeat.given_back
    assert given == run_id, "nobody knows whether the claim was done"
    assert "OperationalError" in (problem or "")


def test_what_a_job_leaves_open_is_not_committed_with_its_outcome(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """The host's session is the ledger's: a failed job's half-done work must not be kept."""

    def half() -> None:
        session.execute(update(Task).values(name="half-done"))
        raise ValueError("and then")

    job(half)
    execute(session, deliver(queued(), heartbeat))
    assert reload(session).state == RunState.FAILED
    assert session.query(Task.name).scalar() is None


def test_an_error_of_the_database_that_the_job_caught_does_not_take_its_result(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """On PostgreSQL the transaction is unusable after it."""

    def catches() -> int:
        with contextlib.suppress(SQLAlchemyError):
            session.execute(text("SELECT nothing FROM nowhere"))
        return 7

    job(catches)
    execute(session, deliver(queued(), heartbeat))
    assert reload(session).result == 7


def test_a_run_that_somebody_had_is_claimed(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """Handed back by a worker that stopped: its start was recorded, whatever the job says."""
    job(lambda: 1, record_start=False)
    run_id = queued()
    session.execute(update(TaskResult).values(token=uuid4()))
    session.commit()
    assert execute(session, deliver(run_id, heartbeat))
    assert heartbeat.id is not None


def test_an_outcome_that_the_database_refuses_fails_the_run(
    session: Session,
    heartbeat: StubHeartbeat,
    job: Any,
    queued: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be refused every time."""
    original = claims.complete

    def refuse(session: Session, run_id: int, run: Any, token: UUID, outcome: Any) -> bool:
        if outcome.error_type is None:
            raise DataError("UPDATE", {}, Exception("too large"))
        return original(session, run_id, run, token, outcome)

    monkeypatch.setattr(claims, "complete", refuse)
    job(lambda: 1)
    execute(session, deliver(queued(), heartbeat))
    run = reload(session)
    assert (run.state, run.error_type) == (RunState.FAILED, "UnstorableResult")
    assert run.error == "The database refused the outcome: too large"


def test_errors_that_are_no_outage_are_not_waited_for(session: Session) -> None:
    """A statement that is wrong stays wrong."""

    def fail() -> None:
        raise DataError("SELECT", {}, Exception("wrong"))

    with pytest.raises(DataError):
        patience.patiently(session, fail, what="Trying")


def test_a_token_is_made_for_each_delivery(
    session: Session, heartbeat: StubHeartbeat, job: Any, queued: Any
) -> None:
    """So that attempts are counted: the Celery task's id is the same for every redelivery."""
    tokens: list[UUID | None] = []

    def note() -> None:
        tokens.append(reload(session).token)
        session.rollback()
        raise ValueError("again")

    job(note, max_attempts=2, backoff_seconds=0.0)
    run_id = queued()
    for _ in range(2):
        session.execute(update(TaskResult).values(not_before=None))
        session.commit()
        execute(session, deliver(run_id, heartbeat))
    assert len(set(tokens)) == 2
