"""Stuck workers: they receive messages, but finish nothing."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services.jobs import slow_jobs
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.health import Status
from taskadmin.health.checks.processes import held_messages, one_stack
from taskadmin.models import Process, ProcessKind, RunState
from taskadmin.queue import RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """Slow jobs, in workers that report that they are stuck after a second."""
    # Not imported here, because that would change this process, too.
    include = [slow_jobs.__name__, "services.jobs.impatient"]
    celery = {**host_config["CELERY"], "include": include}
    return {**host_config, "CELERY": celery, "TASKADMIN_LEASE_SECONDS": 6}


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_worker_logs_a_job_that_exceeds_its_limit(
    session: Session,
    make_app: MakeApp,
    make_task: MakeTask,
    host_config: dict[str, Any],
    processes: CeleryProcesses,
    pool: str,
) -> None:
    """These pools can't end it; runs that finish in time aren't reported."""
    app = make_app(**host_config)
    celery: Celery = app.extensions["taskadmin"].celery
    processes.worker("runs", RUNS_QUEUE, "-c", "1", "-P", pool)
    napping = runs.send(celery, runs.queue(session, make_task(job="nap").id))
    runs.wait_until(session, napping, RunState.SUCCEEDED)
    with app.app_context():
        assert (held_messages(app).status, one_stack(app).status) == (Status.OK, Status.OK)

    sleeping = runs.send(celery, runs.queue(session, make_task(job="over its limit").id))

    def trouble() -> str | None:
        session.rollback()
        return session.scalar(
            select(Process.trouble).where(
                Process.kind == ProcessKind.WORKER, Process.gone_at.is_(None)
            )
        )

    said = wait_for(trouble, what="the worker saying what is wrong")
    assert said.startswith(f"Run {sleeping} (over its limit) has been running for ")
    assert said.endswith(" s, beyond its job's limit of 2 s.")
    with app.app_context():
        found = held_messages(app)
    assert found.status == Status.PROBLEM
    assert "beyond its job's limit of 2 s." in found.found

    wait_for(lambda: trouble() is None, seconds=60, what="the worker being well again")
