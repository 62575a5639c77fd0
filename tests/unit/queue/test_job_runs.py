"""Runs of people's jobs: typed arguments, what they say, secrets, failures in a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.heartbeats import StubHeartbeat
from taskadmin.jobs import Run, all_jobs, job, registry
from taskadmin.models import RunProgress, RunState, Task, TaskPause, TaskResult
from taskadmin.queue.execution import Delivery, execute
from taskadmin.queue.heartbeat import Heartbeat
from taskadmin.schedules import ScheduleKind
from taskadmin.store import clock, tasks
from taskadmin.store.progress import find_progress
from taskadmin.store.results import insert_runs
from taskadmin.store.schedules import ScheduleInput

Execute = Callable[..., TaskResult]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of one test are unknown to the next."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))


@pytest.fixture
def run_job(session: Session, make_task: MakeTask) -> Execute:
    """Queues and executes a run of ``a_job``, of a new task or of this one."""

    def execute_one(task: Task | None = None, **params: Any) -> TaskResult:
        task = task or make_task(job="a_job", params=params)
        due_at = clock.now(session)
        insert_runs(session, [task], launch_id=1, due_at=due_at, jobs=all_jobs())
        session.commit()
        run = session.query(TaskResult).filter_by(task_id=task.id, due_at=due_at).one()
        if run.state == RunState.QUEUED:
            heartbeat = StubHeartbeat(session)
            beat = cast("Callable[[], Heartbeat]", lambda: heartbeat)
            execute(session, Delivery(run.id, due_at, "w1@host", False, beat))
        return session.get_one(TaskResult, run.id, populate_existing=True)

    return execute_one


def test_a_function_gets_what_its_annotations_say(run_job: Execute) -> None:
    """A number goes into result, anything else into output."""
    seen: dict[str, Any] = {}

    @job(name="a_job")
    def days_until(day: date, names: list[str], factor: float = 2.0) -> float:
        seen.update(day=day, names=names, factor=factor)
        return factor

    run = run_job(day="2027-01-31", names=["a", "b"])
    assert (run.state, run.result, run.output) == (RunState.SUCCEEDED, 2.0, None)
    assert seen == {"day": date(2027, 1, 31), "names": ["a", "b"], "factor": 2.0}


def test_no_argument_of_a_job_touches_a_column(session: Session, run_job: Execute) -> None:
    """Not even one that is called like the built-in job's."""

    @job(name="a_job")
    def span(lower_limit: int, upper_limit: str) -> dict[str, Any]:
        return {"from": lower_limit, "to": upper_limit}

    run = run_job(lower_limit=3, upper_limit="much")
    assert run.output == {"from": 3, "to": "much"}
    task = session.get_one(Task, run.task_id)
    assert (task.lower_limit, task.upper_limit) == (None, None)
    assert task.params == {"lower_limit": 3, "upper_limit": "much"}


def test_arguments_that_no_longer_fit_are_skipped_with_the_reason(run_job: Execute) -> None:
    """The job's signature has changed since the task was made."""

    @job(name="a_job")
    def renamed(address: str) -> None: ...

    run = run_job(url="http://localhost/")
    assert run.state == RunState.SKIPPED
    assert (run.reason or "").startswith("Its arguments don't fit the job: ")
    assert "address" in (run.reason or "")


@pytest.mark.parametrize("record_start", [True, False])
def test_what_a_job_says_is_stored_while_it_runs(
    session: Session, run_job: Execute, record_start: bool
) -> None:
    """Also what it says last; with task, launch and attempt at hand."""
    seen: list[Any] = []

    @job(name="a_job", record_start=record_start)
    def talkative(run: Run, pages: int = 2) -> int:
        seen.append((run.task_id, run.run_id, run.launch_id, run.attempt))
        run.log("begins")
        seen.append(find_progress(session, [run.run_id])[run.run_id].lines[0][2])
        session.rollback()
        run.progress(0.5)
        run.log("ends")
        run.progress(1)
        return pages

    run = run_job()
    assert seen == [(run.task_id, run.id, 1, 1), "begins"]
    [said] = find_progress(session, [run.id]).values()
    assert said.progress == 1.0
    assert [line[1:] for line in said.lines] == [[1, "begins"], [1, "ends"]]


def test_a_job_that_writes_to_the_database_itself_may_talk(
    session: Session, run_job: Execute
) -> None:
    """What it says neither waits for its transaction nor ends it."""

    @job(name="a_job")
    def careful(run: Run) -> int:
        session.execute(text("UPDATE taskadmin_user SET is_superuser = true"))
        run.progress(0.25)
        session.rollback()
        run.log("done")
        return int(
            session.execute(
                text("SELECT count(*) FROM taskadmin_user WHERE is_superuser")
            ).scalar_one()
        )

    run = run_job()
    assert (run.state, run.result) == (RunState.SUCCEEDED, 0.0)
    [said] = find_progress(session, [run.id]).values()
    assert said.progress == 0.25


def test_secrets_are_in_no_traceback(session: Session, run_job: Execute) -> None:
    """The job gets them, and whoever reads what went wrong doesn't."""
    seen: list[str] = []

    @job(name="a_job")
    def logs_in(user: str, password: SecretStr) -> None:
        seen.append(password.get_secret_value())
        raise PermissionError(f"{user} can't log in with {password.get_secret_value()}")

    run = run_job(user="ana", password="correct horse")
    assert seen == ["correct horse"]
    assert run.state == RunState.FAILED
    assert "ana can't log in with ••••••" in (run.error or "")
    assert "correct horse" not in (run.error or "")
    assert "correct horse" not in str(run.attempt_log)


def test_failures_in_a_row_pause_a_task(
    session: Session, run_job: Execute, make_task: MakeTask
) -> None:
    """And nobody else: who and why is on record."""
    outcomes = iter([None, ValueError("first"), None, ValueError("second"), ValueError("third")])

    @job(name="a_job")
    def flaky() -> None:
        problem = next(outcomes)
        if problem is not None:
            raise problem

    author = make_task().created_by
    wanted = ScheduleInput(
        kind=ScheduleKind.ONCE, once_at=datetime(2100, 1, 1, tzinfo=UTC), pause_after=2
    )
    task = tasks.create_task(session, author_id=author, job="a_job", arguments={}, schedule=wanted)
    for _ in range(4):
        run_job(task)
        assert session.get(TaskPause, task.id) is None
    run_job(task)
    pause = session.get_one(TaskPause, task.id)
    assert (pause.paused_by, pause.note) == (
        None,
        "Paused after 2 failures in a row: ValueError",
    )
    assert not session.get_one(Task, task.id, populate_existing=True).enabled


def test_progress_of_a_run_that_is_somebody_elses_is_not_stored(
    session: Session, run_job: Execute
) -> None:
    """A late process doesn't write over what the new one says."""

    @job(name="a_job")
    def overtaken(run: Run) -> None:
        session.execute(
            text("UPDATE taskadmin_task_result SET state = 'cancelled', finished_at = :now"),
            {"now": datetime.now(UTC) - timedelta(seconds=1)},
        )
        session.commit()
        run.log("late")

    run = run_job()
    assert run.state == RunState.CANCELLED
    assert session.get(RunProgress, run.id) is None
