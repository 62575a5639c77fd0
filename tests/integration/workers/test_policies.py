"""Each policy of a task, on a real worker, in a dozen seconds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from services.jobs import policy_jobs
from services.rows.policies import (
    ADA,
    OVER,
    World,
    has_ticked,
    make_missed_tasks,
    make_tasks,
    open_runs,
    read,
)
from services.servers.databases import PostgresqlTemplate
from services.servers.processes import CeleryProcesses, wait_for
from services.servers.rabbitmq import delete_queues
from taskadmin.models import (
    RunState,
    TaskResult,
)
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.store.people import users
from taskadmin.store.tasks import pauses

SECONDS = 15


@pytest.fixture(scope="module")
def world(
    _postgresql_template: PostgresqlTemplate,
    rabbitmq: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Tasks with all policies, created before the launcher starts, and their runs."""
    folder = tmp_path_factory.mktemp("policies")
    url = _postgresql_template.copy()
    delete_queues(rabbitmq)
    config = {
        "SQLALCHEMY_DATABASE_URI": url.render_as_string(hide_password=False),
        "SECRET_KEY": "only for tests",
        "CELERY": {"broker_url": rabbitmq, "result_backend": "rpc://"},
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 86400,
        "TASKADMIN_TICK_SECONDS": 0.5,
        "TASKADMIN_JOBS": policy_jobs.__name__,
    }
    engine = create_engine(url)
    processes = CeleryProcesses(folder, config)
    try:
        with Session(engine, expire_on_commit=False) as session:
            processes.worker("runs", RUNS_QUEUE, "-c", "8")
            author = users.create_user(session, "author", password_hash=None).id
            ids = make_missed_tasks(session, author)
            processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
            processes.beat()
            wait_for(lambda: has_ticked(session), what="the launcher's first turn")
            ids |= make_tasks(session, author, str(folder))
            time.sleep(SECONDS)
            pauses.pause_tasks(session, ids.values(), actor=ADA, note=OVER)
            # A run of a dead process is released after its lease of 30 seconds.
            try:
                wait_for(lambda: not open_runs(session), seconds=90, what="the end of all runs")
            except AssertionError as error:
                error.add_note(f"Open: {open_runs(session)}")
                raise
            yield read(session, ids)
    finally:
        processes.stop()
        engine.dispose()
        delete_queues(rabbitmq)
        _postgresql_template.server.drop(url)


def seconds_between(runs: list[TaskResult]) -> list[float]:
    return [
        (later.due_at - earlier.due_at).total_seconds()
        for earlier, later in itertools.pairwise(runs)
    ]


def test_every_due_time_leaves_one_row(world: World) -> None:
    """Due times are a second apart without a gap, and each run succeeds."""
    runs = world.runs["every second"]
    assert len(runs) >= SECONDS - 2
    assert set(seconds_between(runs)) == {1.0}
    assert set(world.states("every second")) == {RunState.SUCCEEDED}


@pytest.mark.parametrize(
    "name", ["overlap allowed", "overlap skipped", "one waits", "paused", "orphaned", "invalid"]
)
def test_so_it_is_whatever_the_policy(world: World, name: str) -> None:
    """Each due time has a run, or a row with the reason for skipping it."""
    assert len(world.runs[name]) >= SECONDS - 2
    assert set(seconds_between(world.runs[name])) == {1.0}
    assert all(run.reason for run in world.runs[name] if run.state == RunState.SKIPPED)


def most_at_once(runs: list[TaskResult]) -> int:
    moments: list[tuple[datetime, int]] = []
    for run in runs:
        assert run.started_at is not None and run.finished_at is not None
        moments += [(run.started_at, 1), (run.finished_at, -1)]
    running = most = 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


def test_overlap_that_is_allowed(world: World) -> None:
    """A run takes 2.5 s, so several run at a time."""
    assert most_at_once(world.queued("overlap allowed")) > 1
    assert RunState.SKIPPED not in world.states("overlap allowed")


def test_overlap_that_is_skipped(world: World) -> None:
    """One runs at a time, and skipped ones name it."""
    ran = world.queued("overlap skipped")
    assert len(ran) >= 2
    assert most_at_once(ran) == 1
    skipped = [run for run in world.runs["overlap skipped"] if run.state == RunState.SKIPPED]
    assert skipped
    in_the_way = {f"Overlap: run {run.id} isn't finished." for run in ran}
    assert {run.reason for run in skipped} <= in_the_way


def test_one_run_that_waits(world: World) -> None:
    """At most one runs, and one waits."""
    ran = world.queued("one waits")
    assert len(ran) >= 3
    assert most_at_once(ran) == 1
    assert all(
        "one is waiting" in (run.reason or "")
        for run in world.runs["one waits"]
        if run.state == RunState.SKIPPED
    )


def test_two_failures_in_a_row_pause_the_task(world: World) -> None:
    """Later due times are recorded as skipped with the reason."""
    states = world.states("pause after two")
    # A few may already be queued.
    assert 2 <= states.count(RunState.FAILED) <= 8
    assert states.count(RunState.SKIPPED) >= 3
    reasons = {run.reason for run in world.runs["pause after two"] if run.reason}
    assert "Paused after 2 failures in a row: RuntimeError" in reasons


def test_attempts_with_backoff(world: World) -> None:
    """Three attempts have one row with all output."""
    [run] = world.runs["attempts"]
    assert (run.state, run.result, run.attempts) == (RunState.SUCCEEDED, 3.0, 3)
    assert run.attempt_log is not None
    assert [entry["error_type"] for entry in run.attempt_log] == ["RuntimeError"] * 2 + [None]
    assert [line[2] for line in world.said[run.id].lines] == [f"attempt {n}" for n in (1, 2, 3)]


def test_time_limits(world: World) -> None:
    """The hard limit kills the process; the soft one raises an exception in the job."""
    [hard], [soft] = world.runs["hard limit"], world.runs["soft limit"]
    assert (hard.state, hard.error_type) == (RunState.FAILED, "TimeLimitExceeded")
    assert soft.state == RunState.FAILED
    assert (soft.error_type or "").endswith("SoftTimeLimitExceeded")


def test_once(world: World) -> None:
    """The run starts at its time."""
    [run] = world.runs["once"]
    assert run.state == RunState.SUCCEEDED


def test_a_maximum_of_runs(world: World) -> None:
    """There are no rows after the maximum."""
    assert world.states("three runs") == [RunState.SUCCEEDED] * 3


def test_start_and_end(world: World) -> None:
    """One schedule starts when the other ends."""
    assert world.runs["ends"] and world.runs["starts"]
    assert world.runs["ends"][-1].due_at < world.runs["starts"][0].due_at + timedelta(seconds=1)
    assert seconds_between(world.runs["ends"]).count(1.0) == len(world.runs["ends"]) - 1


@pytest.mark.parametrize(("name", "missed"), [("missed: skip", 9), ("missed: once", 8)])
def test_missed_runs_share_a_row(world: World, name: str, missed: int) -> None:
    """The newest missed run is made up for late or skipped, as its row says; later ones run."""
    first, second = world.runs[name][:2]
    assert first.state == RunState.SKIPPED
    assert first.output is not None
    assert first.output["missed"]["count"] >= missed
    assert RunState.SKIPPED not in world.states(name)[1:]
    assert ("late" in (second.reason or "")) == (name == "missed: once")


@pytest.mark.parametrize("name", ["missed: all", "within the grace"])
def test_every_missed_run_is_made_up_for(world: World, name: str) -> None:
    """By the policy, or because none exceeds the grace period."""
    assert len(world.runs[name]) >= 11
    assert set(world.states(name)) == {RunState.SUCCEEDED}
    assert set(seconds_between(world.runs[name])) == {60.0}


def test_jitter(world: World) -> None:
    """Runs start up to four seconds and a tick after their due time."""
    waits = [
        (run.started_at - run.due_at).total_seconds()
        for run in world.runs["jitter"]
        if run.started_at is not None
    ]
    assert len(waits) >= 5
    assert max(waits) > 1
    assert set(seconds_between(world.runs["jitter"])) == {1.0}


def test_a_paused_task(world: World) -> None:
    """Each due time is skipped with the pause's reason."""
    assert {run.reason for run in world.runs["paused"]} == {"Not today."}
    assert set(world.states("paused")) == {RunState.SKIPPED}


def test_orphaned_and_invalid_tasks(world: World) -> None:
    """They are skipped with the reason, and don't affect others."""
    assert {run.reason for run in world.runs["orphaned"]} == {
        "No job named nobody_has_it is registered."
    }
    for run in world.runs["invalid"]:
        assert (run.reason or "").startswith("Its arguments don't fit the job: ")


def test_the_common_slot_is_launched_beside_them(world: World) -> None:
    """It is launched once, since the slot is a day."""
    assert len(world.queued("common slot")) in (1, 2)
