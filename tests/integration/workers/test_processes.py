"""Runs through real processes: beat, launcher, RabbitMQ, worker and PostgreSQL."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import celery
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.cli import taskadmin_cli
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE, measure_round_trip

pytestmark = pytest.mark.databases("postgresql")

REPLY_QUEUES_END = pytest.mark.skipif(
    celery.VERSION < (5, 6), reason="Celery 5.5 leaves a queue of replies until result_expires"
)


def states(session: Session) -> Counter[RunState]:
    """Return the number of runs by state."""
    counted = Counter(session.scalars(select(TaskResult.state)))
    session.rollback()
    return counted


def all_succeeded(session: Session, runs: int) -> Callable[[], bool]:
    """Return whether there are this many runs, all succeeded."""
    return lambda: states(session) == Counter({RunState.SUCCEEDED: runs})


def test_beat_launcher_and_worker_bring_every_result(
    session: Session, make_task: MakeTask, processes: CeleryProcesses
) -> None:
    """Each task has one result within its range, and the launch is closed."""
    for number in range(20):
        make_task(None, number, number + 0.5)
    processes.worker("runs", RUNS_QUEUE, "-c", "2")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()

    wait_for(all_succeeded(session, 20), what="twenty results")

    for run in session.scalars(select(TaskResult)):
        assert run.task_params["lower_limit"] <= run.result <= run.task_params["upper_limit"]
        assert (run.worker or "").startswith("runs@")
        assert run.attempts == 1
    session.rollback()

    def closed() -> bool:
        session.rollback()
        return session.scalars(select(Launch.state)).all() == [LaunchState.CLOSED]

    wait_for(closed, what="the closing of the launch")


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
def test_runs_that_are_executed_together_bring_every_result(
    session: Session,
    make_task: MakeTask,
    processes: CeleryProcesses,
    pool: str,
) -> None:
    """In every pool: one row and one attempt each, and no messages left."""
    for number in range(120):
        make_task(None, number, number + 0.5)
    processes.worker("runs", RUNS_QUEUE, "-c", "2", "-P", pool)
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()

    wait_for(all_succeeded(session, 120), what="all results")

    for run in session.scalars(select(TaskResult)):
        assert run.task_params["lower_limit"] <= run.result <= run.task_params["upper_limit"]
        assert run.attempts == 1
    session.rollback()
    together = [int(n) for n in re.findall(r"(\d+) runs succeeded", processes.text("runs"))]
    assert together and max(together) <= 20


def test_the_launch_tasks_entry_alone_opens_the_slot(
    session: Session,
    make_task: MakeTask,
    make_app: MakeApp,
    host_config: dict[str, Any],
    processes: CeleryProcesses,
) -> None:
    """``taskadmin.launch_tasks`` launches due tasks; repeating it does nothing."""
    make_task()
    celery = make_app(**host_config).extensions["taskadmin"].celery
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.worker("runs", RUNS_QUEUE, "-c", "1")

    for _ in range(2):
        celery.tasks["taskadmin.launch_tasks"].apply_async(queue=LAUNCH_QUEUE)

    wait_for(lambda: processes.text("launcher").count("succeeded in") == 2, what="two turns")
    wait_for(all_succeeded(session, 1), what="the result")


def test_two_beats_and_two_launchers_start_each_run_once(
    session: Session, make_task: MakeTask, processes: CeleryProcesses
) -> None:
    """One launch, and one row and one attempt per task."""
    for _ in range(10):
        make_task()
    processes.worker("first", LAUNCH_QUEUE, "-P", "solo")
    processes.worker("second", LAUNCH_QUEUE, "-P", "solo")
    processes.worker("runs", RUNS_QUEUE, "-c", "2")
    for name in ("beat1", "beat2"):
        processes.start(name, "beat", "-s", str(processes.log(name).with_suffix(".db")))

    wait_for(all_succeeded(session, 10), what="ten results")

    assert len(session.scalars(select(Launch.id)).all()) == 1
    assert set(session.scalars(select(TaskResult.attempts))) == {1}


def test_a_worker_killed_with_runs_waiting_loses_none(
    session: Session, make_task: MakeTask, processes: CeleryProcesses
) -> None:
    """Kill -9 the worker and its children during work; the next worker finishes it."""
    for _ in range(300):
        make_task()
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    killed = processes.worker("first", RUNS_QUEUE, "-c", "2")
    processes.beat()
    wait_for(lambda: states(session)[RunState.SUCCEEDED] > 20, what="some results")

    os.killpg(killed.pid, signal.SIGKILL)

    assert states(session)[RunState.QUEUED] > 0, "the worker was killed too late to show anything"
    processes.worker("second", RUNS_QUEUE, "-c", "2")
    wait_for(all_succeeded(session, 300), what="the other results")


def list_queues(broker_url: str) -> set[str]:
    """Return the names of all queues in the virtual host."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        pytest.skip("rabbitmqctl isn't here: other queues than ours can't be listed")
    vhost = unquote(urlsplit(broker_url).path[1:])
    done = subprocess.run(
        [program, "-q", "-p", vhost, "list_queues", "name", "--no-table-headers"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def replies(broker_url: str) -> set[str]:
    """Return queues that belong neither to taskadmin nor to Celery workers."""
    return {
        queue
        for queue in list_queues(broker_url)
        if not queue.startswith(("taskadmin.", "celery_delayed_", "celeryev."))
        and not queue.endswith(".pidbox")
    }


@REPLY_QUEUES_END
def test_replies_of_runs_do_not_pile_up(
    session: Session,
    make_task: MakeTask,
    broker_url: str,
    processes: CeleryProcesses,
) -> None:
    """After a launch, the broker has only the queues of taskadmin and the workers."""
    for _ in range(5):
        make_task()
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()
    wait_for(all_succeeded(session, 5), what="five results")

    assert replies(broker_url) == set()
    assert {LAUNCH_QUEUE, RUNS_QUEUE, DEAD_QUEUE} <= list_queues(broker_url)


@REPLY_QUEUES_END
def test_a_ping_goes_through_a_worker_and_back(
    make_app: MakeApp, host_config: dict[str, Any], broker_url: str, processes: CeleryProcesses
) -> None:
    """The reply comes by ``rpc://``, and its queue is deleted."""
    processes.worker("runs", RUNS_QUEUE, "-c", "1")
    app = make_app(**host_config)
    celery = app.extensions["taskadmin"].celery

    answers = [measure_round_trip(celery, timeout_seconds=10) for _ in range(3)]

    for answer in answers:
        assert answer.worker.startswith("runs@")
        assert 0 < answer.elapsed.total_seconds() < 10
    printed = app.test_cli_runner().invoke(taskadmin_cli, ["ping"]).output
    assert re.fullmatch(r"runs@\S+ answered after \d+ ms\n", printed)
    wait_for(lambda: not replies(broker_url), what="the end of the queue of replies")
