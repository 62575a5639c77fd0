"""A host's settings for its own Celery tasks, with real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services.jobs import host_tasks, slow_jobs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.models import RunState, TaskResult
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.celery_app.queues import consumed_queues, dead_queue, declare_queue
from taskadmin.queue.round_trip import measure_round_trip

pytestmark = pytest.mark.databases("postgresql")

#: Each of them would change taskadmin's messages or runs.
FOR_ITS_OWN = {
    "task_routes": {"*": {"queue": "host", "routing_key": "host", "priority": 3}},
    "task_default_rate_limit": "6/m",
    "task_soft_time_limit": 0.3,
    "task_time_limit": 0.6,
    "task_annotations": {"*": {"acks_late": False, "ignore_result": False}},
    "task_serializer": "pickle",
    "accept_content": ["json", "pickle"],
    "task_compression": "gzip",
    "task_default_delivery_mode": 1,
    "task_create_missing_queues": False,
    # Celery before 5.7 can't send without the default queue.
    "task_default_queue": "host",
    "task_queue_max_priority": 10,
    "task_track_started": True,
    "task_acks_on_failure_or_timeout": False,
    "task_ignore_result": False,
    "task_queues": {"host": {"exchange": "host", "routing_key": "host"}},
    "include": [slow_jobs.__name__, host_tasks.__name__],
}


@pytest.fixture
def host_config(host_config: dict[str, Any]) -> dict[str, Any]:
    """All of these settings at once."""
    return {**host_config, "CELERY": {**host_config["CELERY"], **FOR_ITS_OWN}}


def test_runs_are_launched_and_finish_whatever_a_host_sets_for_its_own_tasks(
    session: Session,
    make_app: MakeApp,
    make_task: MakeTask,
    host_config: dict[str, Any],
    processes: CeleryProcesses,
) -> None:
    """Ticks, runs and pings arrive; the host's limit applies only to its own tasks."""
    celery: Celery = make_app(**host_config).extensions["taskadmin"].celery
    for number in range(14):
        make_task(job="nap" if number < 4 else "generate_random_number")
    processes.worker("all", f"{LAUNCH_QUEUE},{RUNS_QUEUE}", "-c", "4")
    processes.worker("host", "host", "-c", "1")
    processes.beat()

    def finished() -> list[TaskResult]:
        session.rollback()
        runs = session.scalars(select(TaskResult).where(TaskResult.finished_at.is_not(None))).all()
        return list(runs) if len(runs) == 14 else []

    runs = wait_for(finished, what="all runs being finished", seconds=60)
    assert {(run.state, run.attempts) for run in runs if run.job == "nap"} == {
        (RunState.SUCCEEDED, 1)
    }
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert "time limit" not in processes.text("all")
    assert measure_round_trip(celery, timeout_seconds=20).worker.startswith("all@")

    celery.send_task("host.nap")

    wait_for(
        lambda: "Soft time limit (0.3s) exceeded for host.nap" in processes.text("host"),
        what="the host's own limit",
    )


@pytest.mark.parametrize("name", [RUNS_QUEUE, LAUNCH_QUEUE])
def test_a_default_queue_may_be_named_like_one_of_ours(
    session: Session,
    make_app: MakeApp,
    make_task: MakeTask,
    host_config: dict[str, Any],
    broker_url: str,
    tmp_path: Path,
    name: str,
) -> None:
    """Workers can declare the queues, which keep taskadmin's arguments; the host's tasks run."""
    kept = {key: host_config["CELERY"][key] for key in ("broker_url", "result_backend", "include")}
    config = {**host_config, "CELERY": {**kept, "task_default_queue": name}}
    celery: Celery = make_app(**config).extensions["taskadmin"].celery
    make_task()
    processes = CeleryProcesses(tmp_path, config)
    try:
        processes.worker("all", f"{LAUNCH_QUEUE},{RUNS_QUEUE}", "-c", "1")
        processes.beat()

        def finished() -> TaskResult | None:
            session.rollback()
            done = TaskResult.finished_at.is_not(None)
            return session.scalars(select(TaskResult).where(done)).first()

        assert wait_for(finished, what="the run", seconds=60).state == RunState.SUCCEEDED
        celery.send_task("host.nap")
        wait_for(lambda: "host.nap" in processes.text("all"), what="the host's own task")
        assert "PRECONDITION_FAILED" not in processes.text("all")
    finally:
        processes.stop()
    with Connection(broker_url) as connection:
        for queue in (*consumed_queues(), dead_queue()):
            declare_queue(connection, queue)  # is refused where an argument differs
