"""Runs of hosts' jobs: typed arguments, messages, secrets, failures in a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.deliveries import delivery
from services.rows.runs import queue
from taskadmin.jobs import Run, job
from taskadmin.models import RunProgress, RunState, Task, TaskPause, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database import clock
from taskadmin.store.runs.progress import find_progress
from taskadmin.store.tasks import tasks
from taskadmin.store.tasks.schedules import ScheduleInput

Execute = Callable[..., TaskResult]


@pytest.fixture
def run_job(session: Session, make_task: MakeTask) -> Execute:
    """Queue and execute a run of ``a_job``, of a new or a given task."""

    def execute_one(task: Task | None = None, **params: Any) -> TaskResult:
        task = task or make_task(job="a_job", params=params)
        due_at = clock.now(session)
        run_id = queue(session, task.id, due_at)
        # One whose arguments don't fit is skipped, and left alone.
        execute(session, delivery(session, [run_id], due_at))
        return session.get_one(TaskResult, run_id, populate_existing=True)

    return execute_one


def test_a_function_gets_arguments_of_its_annotated_types(run_job: Execute) -> None:
    """Numbers are stored in result, other values in output."""
    seen: dict[str, Any] = {}

    @job(name="a_job")
    def days_until(day: date, names: list[str], factor: float = 2.0) -> float:
        seen.update(day=day, names=names, factor=factor)
        return factor

    run = run_job(day="2027-01-31", names=["a", "b"])
    assert (run.state, run.result, run.output) == (RunState.SUCCEEDED, 2.0, None)
    assert seen == {"day": date(2027, 1, 31), "names": ["a", "b"], "factor": 2.0}


def test_no_argument_of_a_job_touches_a_column(session: Session, run_job: Execute) -> None:
    """Not even one named like the built-in job's."""

    @job(name="a_job")
    def span(lower_limit: int, upper_limit: str) -> dict[str, Any]:
        return {"from": lower_limit, "to": upper_limit}

    run = run_job(lower_limit=3, upper_limit="much")
    assert run.output == {"from": 3, "to": "much"}
    task = session.get_one(Task, run.task_id)
    assert (task.lower_limit, task.upper_limit) == (None, None)
    assert task.params == {"lower_limit": 3, "upper_limit": "much"}


def test_arguments_that_no_longer_fit_are_skipped_with_the_reason(run_job: Execute) -> None:
    """The job's signature has changed since the task was created."""

    @job(name="a_job")
    def renamed(address: str) -> None: ...

    run = run_job(url="http://localhost/")
    assert run.state == RunState.SKIPPED
    assert (run.reason or "").startswith("Its arguments don't fit the job: ")
    assert "address" in (run.reason or "")


@pytest.mark.parametrize("record_start", [True, False])
def test_progress_is_stored_during_the_run(
    session: Session, run_job: Execute, record_start: bool
) -> None:
    """Including its last message; task, launch and attempt are available."""
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
    assert seen == [(run.task_id, run.id, 5, 1), "begins"]
    [said] = find_progress(session, [run.id]).values()
    assert said.progress == 1.0
    assert [line[1:] for line in said.lines] == [[1, "begins"], [1, "ends"]]


def test_a_job_that_writes_to_the_database_itself_may_talk(
    session: Session, run_job: Execute
) -> None:
    """Its messages neither wait for its transaction nor end it."""

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
    """The job gets them, but they are masked in errors."""
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
    """No other task; the pause has its author and reason."""
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


def test_progress_of_a_run_that_was_taken_over_is_not_stored(
    session: Session, run_job: Execute
) -> None:
    """A late process doesn't overwrite the new one's messages."""

    @job(name="a_job")
    def overtaken(run: Run) -> None:
        ended = {"state": RunState.CANCELLED, "finished_at": clock.now(session)}
        session.execute(update(TaskResult).values(ended))
        session.commit()
        run.log("late")

    run = run_job()
    assert run.state == RunState.CANCELLED
    assert session.get(RunProgress, run.id) is None
