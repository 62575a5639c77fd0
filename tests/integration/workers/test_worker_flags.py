"""Workers whose pools change size, that lack a privilege, or that get Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import URL, create_engine, select, text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.jobs import slow_jobs
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.health import Status
from taskadmin.health.checks.processes import held_messages
from taskadmin.health.checks.storage import rights
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.store.database import clock

pytestmark = pytest.mark.databases("postgresql")


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """Register the slow jobs in the workers."""
    celery = {**host_config["CELERY"], "include": [slow_jobs.__name__]}
    return {**host_config, "CELERY": celery}


@pytest.fixture
def send(session: Session, make_task: MakeTask, celery: Celery) -> Callable[[], int]:
    """Queue and send a run that takes a second."""
    return lambda: runs.send(celery, runs.queue(session, make_task(job="nap").id))


@pytest.mark.parametrize(
    "flags",
    [
        ["-c", "2", "--max-tasks-per-child", "1"],
        ["-c", "2", "--max-memory-per-child", "1000"],
        ["--autoscale", "2,1"],
    ],
    ids=["max-tasks", "max-memory", "autoscale"],
)
def test_processes_that_a_pool_ends_are_not_lost(
    session: Session, send: Callable[[], int], processes: CeleryProcesses, flags: list[str]
) -> None:
    """Replaced and surplus processes record their end."""
    processes._environment["AUTOSCALE_KEEPALIVE"] = "1"
    processes.worker("runs", RUNS_QUEUE, *flags)
    for run_id in [send() for _ in range(3)]:
        runs.wait_until(session, run_id, RunState.SUCCEEDED)

    def gone() -> Any:
        session.rollback()
        which = Process.kind == ProcessKind.CHILD, Process.gone_at.is_not(None)
        return session.scalars(select(Process).where(*which)).all()

    ended = {(one.ending, one.reason) for one in wait_for(gone, what="a process's goodbye")}
    assert ended == {(ProcessEnd.STOPPED, "Its worker ended it.")}


@pytest.fixture(params=["UPDATE ON taskadmin_task_result"])
def limited(request: pytest.FixtureRequest, database_url: URL) -> Iterator[URL]:
    """The database URL of a role that lacks one privilege: to change runs, or another."""
    name = f"limited_{uuid4().hex}"
    owner = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        for statement in (
            f"CREATE ROLE {name} LOGIN PASSWORD 'limited'",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}",
            f"REVOKE {request.param} FROM {name}",
        ):
            connection.execute(text(statement))
        yield database_url.set(username=name, password="limited")
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))
    owner.dispose()


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the role to workers, if the test uses it."""
    if "limited" not in request.fixturenames:
        return {}
    limited: URL = request.getfixturevalue("limited")
    return {"SQLALCHEMY_DATABASE_URI": limited.render_as_string(hide_password=False)}


def troubles(session: Session) -> set[str | None]:
    """Return the problems that living processes report."""
    session.rollback()
    which = Process.gone_at.is_(None), Process.trouble.is_not(None)
    return set(session.scalars(select(Process.trouble).where(*which)))


def test_a_missing_privilege_is_logged_once(
    session: Session,
    send: Callable[[], int],
    celery: Celery,
    processes: CeleryProcesses,
    limited: URL,
    app: Flask,
) -> None:
    """Messages are requeued up to a limit; with the privilege, the next one is executed.

    The doctor, which uses the owner's role, names that worker.
    """
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    sent = [send(), send()]
    wait_for(
        lambda: processes.text("runs").count("is dropped after 5 deliveries") == 2,
        what="two messages",
    )

    said = processes.text("runs")
    assert said.count("permission denied for table taskadmin_task_result. Grant this") == 1
    assert said.count("] received") == 10
    assert "Traceback" not in said
    assert said.count("] ignored") == 8
    for run_id in sent:
        assert (runs.row(session, run_id).state, runs.row(session, run_id).attempts) == (
            RunState.QUEUED,
            0,
        )
    said_it = "It lacks a right: permission denied for table taskadmin_task_result"
    wait_for(lambda: troubles(session) == {said_it}, what="the doctor's sign")
    with app.app_context():
        answer = held_messages(app)
    assert answer.status == Status.PROBLEM
    assert said_it in answer.found
    assert answer.fix is not None
    assert answer.fix.startswith("See the check of rights")
    with app.app_context():
        grant = rights(app).fix
    assert grant == f'GRANT UPDATE ON taskadmin_task_result TO "{limited.username}";'
    session.execute(text(grant))
    session.commit()
    wait_for(lambda: not troubles(session), what="the sign being taken back")
    for run_id in sent:
        runs.send(celery, run_id)
        runs.wait_until(session, run_id, RunState.SUCCEEDED)
        assert runs.row(session, run_id).attempts == 1


@pytest.mark.parametrize(
    "limited",
    [f"{right} ON taskadmin_process" for right in ("INSERT", "SELECT, UPDATE")],
    indirect=True,
)
def test_a_worker_that_cannot_record_its_heartbeat_logs_that_once(
    request: pytest.FixtureRequest,
    session: Session,
    make_task: MakeTask,
    celery: Celery,
    processes: CeleryProcesses,
    limited: URL,
    app: Flask,
) -> None:
    """It logs what to grant, as does the doctor; its pool processes log nothing."""
    right = request.node.callspec.params["limited"]
    grant = f'GRANT {right} TO "{limited.username}";'
    processes.worker("runs", RUNS_QUEUE, "-c", "2")
    run_id = runs.send(celery, runs.queue(session, make_task().id))
    wait_for(lambda: grant in processes.text("runs"), what="the word of it")

    runs.wait_until(session, run_id, RunState.SUCCEEDED)
    assert processes.text("runs").count("No heartbeat of runs@") == 1
    assert processes.text("runs").count("permission denied for table taskadmin_process. Grant") == 1
    assert "Traceback" not in processes.text("runs")
    with app.app_context():
        answer = rights(app)
    found = f"The role {limited.username}, which other processes use, lacks {right}."
    assert (answer.status, answer.found, answer.fix) == (
        Status.WARNING,
        found.replace(" ON ", " on "),
        grant,
    )

    session.execute(text(grant))
    session.commit()

    def lives() -> bool:
        session.rollback()
        which = Process.kind == ProcessKind.WORKER, Process.gone_at.is_(None)
        seen = session.scalars(select(Process.seen_at).where(*which, Process.trouble.is_(None)))
        return any(moment > granted for moment in seen)

    granted = clock.now(session)
    wait_for(lives, what="a heartbeat")
    assert processes.text("runs").count("No heartbeat of runs@") == 1


@pytest.mark.parametrize("limited", ["INSERT ON taskadmin_launch"], indirect=True)
def test_a_launchers_row_shows_its_missing_privilege(
    session: Session, celery: Celery, processes: CeleryProcesses, limited: URL
) -> None:
    """Its row shows the missing privilege until it is granted; the turn's other steps are done."""
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")

    def tick() -> set[str | None]:
        celery.tasks["taskadmin.tick"].apply_async()
        return troubles(session)

    said = wait_for(tick, what="the sign")
    assert said == {"It lacks a right: permission denied for table taskadmin_launch"}
    session.execute(text(f"GRANT INSERT ON taskadmin_launch TO {limited.username}"))
    session.commit()
    wait_for(lambda: not tick(), what="the sign being taken back")


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_ctrl_c_ends_a_worker_after_its_runs(
    session: Session, send: Callable[[], int], processes: CeleryProcesses, pool: str
) -> None:
    """It isn't raised in a job, which shares the process."""
    worker = processes.worker("runs", RUNS_QUEUE, "-P", pool, "-c", "1")
    run_id = send()
    runs.wait_until(session, run_id, RunState.RUNNING)
    worker.send_signal(signal.SIGINT)
    worker.wait(timeout=30)
    run = runs.row(session, run_id)
    assert (run.state, run.attempts, run.attempt_log) == (RunState.SUCCEEDED, 1, None)
