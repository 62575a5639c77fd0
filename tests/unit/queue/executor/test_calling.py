"""Any exception of a job is one failed attempt, without leaking secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import bad_jobs
from services.jobs.bad_jobs import CASES, LEAKS, SECRET
from services.ledger.deliveries import delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE, queue
from taskadmin.jobs import get_job
from taskadmin.models import RunProgress, RunState, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.state import get_state

Execute = Callable[..., TaskResult]


@pytest.fixture(autouse=True)
def _registered(_own_registry: None) -> None:
    bad_jobs.register()


@pytest.fixture(params=["claimed", "unclaimed", "claimed together", "unclaimed together"])
def way(request: pytest.FixtureRequest) -> str:
    """How runs are executed: with or without recorded start, alone or before another one."""
    way: str = request.param
    return way


@pytest.fixture
def host_session(app: Flask) -> Iterator[Session]:
    """The host's session in an application context, as in a worker."""
    with app.app_context():
        yield get_state(app).session


@pytest.fixture
def run_job(host_session: Session, make_task: MakeTask, way: str) -> Execute:
    """Execute a run of a job, with unchecked arguments."""
    session = host_session

    suffix = "" if way.startswith("claimed") else "_unrecorded"

    def queue_one(job: str, params: dict[str, Any], arguments: dict[str, Any]) -> int:
        run_id = queue(session, make_task(job=job, params=params).id)
        given = update(TaskResult).where(TaskResult.id == run_id)
        session.execute(given.values(task_params=arguments))
        session.commit()
        return run_id

    def execute_one(name: str, **arguments: Any) -> TaskResult:
        params = {"refuse": {"token": "x" * 1_000}, "invalid": {}}.get(name, arguments)
        ids = [queue_one(f"{name}{suffix}", params, arguments)]
        if way.endswith("together"):
            ids.append(queue_one(f"fine{suffix}", {}, {}))
        heartbeat = StubHeartbeat(session)
        execute(session, delivery(session, ids, DUE, heartbeat=heartbeat))
        assert heartbeat.given_back == []
        for neighbour in ids[1:]:
            assert session.get_one(TaskResult, neighbour).result == 1, name
        return session.get_one(TaskResult, ids[0], populate_existing=True)

    return execute_one


def test_whatever_is_raised_is_one_failed_attempt(run_job: Execute) -> None:
    """With its type and traceback, in every case."""
    for name, case in CASES.items():
        run = run_job(name)
        assert (name, run.state, run.attempts) == (name, RunState.FAILED, 1)
        assert (run.error_type or "").startswith(case.error_type), name
        assert case.error in (run.error or ""), name
        if name != "text_long":  # its end is kept
            assert "Traceback (most recent call last)" in (run.error or ""), name


@pytest.mark.parametrize("case", ["keyboard", "no_text_base"])
def test_it_counts_against_the_attempts(
    run_job: Execute, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """A job with two attempts has one left."""
    for name in (case, f"{case}_unrecorded"):
        object.__setattr__(get_job(name), "max_attempts", 2)
    run = run_job(case)
    assert (run.state, run.attempts) == (RunState.QUEUED, 1)
    assert run.not_before is not None
    assert [entry["error_type"] for entry in run.attempt_log or ()] == [CASES[case].error_type]


def test_a_check_may_raise_anything_too(run_job: Execute) -> None:
    """Not only exceptions that pydantic turns into a ValidationError."""
    run = run_job("invalid", number=1)
    assert (run.state, run.error_type) == (RunState.FAILED, "services.jobs.bad_jobs.Panic")
    assert "not this one" in (run.error or "")


@pytest.mark.parametrize(("number", "name"), [(1, "Panic"), (2, "Quiet")])
def test_a_check_that_raises_anything_skips_the_launch_of_its_task_only(
    number: int, name: str
) -> None:
    """The launcher validates arguments, too; the exception's class may have no readable name."""
    [problem] = get_job("invalid").problems({"number": number})
    assert str(problem) == f"Checking these arguments raised {name}."


@pytest.mark.parametrize("given", [{}, {"token": SECRET}], ids=["default", "given"])
def test_a_secret_stands_nowhere(
    host_session: Session,
    run_job: Execute,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, str],
) -> None:
    """Neither in the run's columns and messages, nor in the log."""
    caplog.set_level(logging.DEBUG)
    for how in LEAKS:
        run = run_job("leak", how=how, **given)
        assert run.state == (RunState.SUCCEEDED if how == "returned" else RunState.FAILED)
        stored = [run.error_type, run.error, run.output, run.result, run.attempt_log]
        said = host_session.get_one(RunProgress, run.id)
        assert "hunter2" not in str([*stored, said.lines]), how
        assert "••••••" in str([*stored, said.lines]), how
    assert "hunter2" not in caplog.text


def test_a_refused_secret_is_in_no_message(run_job: Execute) -> None:
    """Pydantic's messages contain the value, shortened."""
    run = run_job("refuse", token=SECRET)
    assert run.error_type == "pydantic_core._pydantic_core.ValidationError"
    assert run.error == (
        "pydantic_core._pydantic_core.ValidationError: the arguments don't fit Tokens\n"
        "token\n  Value error, too short [type=value_error]"
    )


def test_a_hosts_listener_cannot_take_the_outcome(host_session: Session, run_job: Execute) -> None:
    """It is called when the job's open transaction is rolled back."""

    def fail(*_: Any) -> None:
        if armed:
            armed.clear()
            raise bad_jobs.Panic("a listener")

    armed: list[bool] = []
    event.listen(host_session, "after_rollback", fail)
    try:
        job = get_job("failed_transaction")
        original = job.function

        def arm() -> None:
            armed.append(True)
            original()

        for name in ("failed_transaction", "failed_transaction_unrecorded"):
            object.__setattr__(get_job(name), "function", arm)
        run = run_job("failed_transaction")
    finally:
        event.remove(host_session, "after_rollback", fail)
    assert (run.state, run.attempts) == (RunState.FAILED, 1)
