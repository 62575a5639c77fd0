"""Each policy of a task, on a real worker: one launcher, one worker, a dozen seconds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from services import policy_jobs
from services.databases import PostgresqlTemplate
from services.processes import CeleryProcesses, wait_for
from services.rabbitmq import delete_queues
from taskadmin.models import (
    LedgerState,
    MissedRuns,
    Overlap,
    RunProgress,
    RunState,
    TaskPause,
    TaskResult,
    TaskSchedule,
)
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.schedules import ScheduleKind
from taskadmin.store import pauses, tasks, users
from taskadmin.store.audit import Actor
from taskadmin.store.clock import now
from taskadmin.store.schedules import ScheduleInput

SECONDS = 15
#: Note of the pause that ends the test.
OVER = "The test is over."
ADA = Actor(None, "ada", "192.0.2.1")


def every(seconds: int = 1, **policies: Any) -> ScheduleInput:
    return ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=seconds, **policies)


@dataclass
class World:
    """What came of the tasks, by name; everything is read when it is over."""

    runs: dict[str, list[TaskResult]] = field(default_factory=dict)
    pauses: dict[int, TaskPause] = field(default_factory=dict)
    said: dict[int, RunProgress] = field(default_factory=dict)

    def states(self, name: str) -> list[RunState]:
        """Of the runs of a task, by their due times."""
        return [RunState(run.state) for run in self.runs[name]]

    def queued(self, name: str) -> list[TaskResult]:
        """Those that weren't skipped."""
        return [run for run in self.runs[name] if run.state != RunState.SKIPPED]


@pytest.fixture(scope="module")
def world(
    _postgresql_template: PostgresqlTemplate,
    rabbitmq: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Tasks with all policies, made before a launcher runs, and what became of them."""
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
            wait_for(lambda: nothing_is_open(session), what="the end of all runs")
            yield read(session, ids)
    finally:
        processes.stop()
        engine.dispose()
        delete_queues(rabbitmq)
        _postgresql_template.server.drop(url)


def make_missed_tasks(session: Session, author: int) -> dict[str, int]:
    """Tasks that have been due for ten minutes when the launcher comes."""
    wanted = {
        "missed: skip": every(60, missed_runs=MissedRuns.SKIP),
        "missed: once": every(60, missed_runs=MissedRuns.ONCE),
        "missed: all": every(60, missed_runs=MissedRuns.ALL),
        "within the grace": every(60, missed_runs=MissedRuns.SKIP, grace_s=3600),
    }
    ids = {name: make_task(session, author, "quick", {}, wanted[name]) for name in wanted}
    minute = now(session).replace(second=0, microsecond=0)
    set_next_due(session, ids.values(), minute - timedelta(minutes=10))
    return {**ids, "common slot": make_task(session, author, "quick", {}, None)}


def make_tasks(session: Session, author: int, folder: str) -> dict[str, int]:
    """Tasks that are due from now on."""
    soon = now(session) + timedelta(seconds=8)
    session.rollback()
    wanted: dict[str, tuple[str, dict[str, Any], ScheduleInput]] = {
        "every second": ("quick", {}, every()),
        "overlap allowed": ("slow", {}, every(overlap=Overlap.ALLOW)),
        "overlap skipped": ("slow", {}, every(overlap=Overlap.SKIP)),
        "one waits": ("slow", {}, every(overlap=Overlap.QUEUE_ONE)),
        "pause after two": ("broken", {}, every(pause_after=2)),
        "attempts": ("third_time_lucky", {"folder": folder}, every(3600)),
        "hard limit": ("never_ends", {}, every(3600)),
        "soft limit": ("warned", {}, every(3600)),
        "once": ("quick", {}, ScheduleInput(kind=ScheduleKind.ONCE, once_at=soon)),
        "three runs": ("quick", {}, every(max_runs=3)),
        "ends": ("quick", {}, every(ends_at=soon)),
        "starts": ("quick", {}, every(starts_at=soon)),
        "jitter": ("quick", {}, every(jitter_s=4)),
        "paused": ("quick", {}, every()),
        "orphaned": ("nobody_has_it", {}, every()),
        "invalid": ("slow", {"minutes": 1}, every()),
    }
    ids = {name: make_task(session, author, *of) for name, of in wanted.items()}
    pauses.pause_tasks(session, [ids["paused"]], actor=ADA, note="Not today.")
    due_at_once = ("attempts", "hard limit", "soft limit")
    set_next_due(session, [ids[name] for name in due_at_once], now(session))
    return ids


def make_task(
    session: Session, author: int, job: str, arguments: dict[str, Any], wanted: ScheduleInput | None
) -> int:
    task = tasks.create_task(
        session, author_id=author, job=job, arguments=arguments, schedule=wanted
    )
    return task.id


def set_next_due(session: Session, ids: Iterable[int], due: datetime) -> None:
    session.execute(update(TaskSchedule).where(TaskSchedule.task_id.in_(ids)).values(next_due=due))
    session.commit()


def has_ticked(session: Session) -> bool:
    ticked_at = session.scalar(select(LedgerState.ticked_at))
    session.rollback()
    return ticked_at is not None


def nothing_is_open(session: Session) -> bool:
    found = session.scalar(select(TaskResult.id).where(TaskResult.finished_at.is_(None)).limit(1))
    session.rollback()
    return found is None


def read(session: Session, ids: dict[str, int]) -> World:
    world = World()
    for name, task_id in ids.items():
        world.runs[name] = list(
            session.scalars(
                select(TaskResult)
                .where(
                    TaskResult.task_id == task_id,
                    # Due when everything was paused already.
                    TaskResult.reason.is_distinct_from(OVER),
                )
                .order_by(TaskResult.due_at)
            )
        )
    world.pauses = {row.task_id: row for row in session.scalars(select(TaskPause))}
    world.said = {row.result_id: row for row in session.scalars(select(RunProgress))}
    return world


def seconds_between(runs: list[TaskResult]) -> list[float]:
    return [
        (later.due_at - earlier.due_at).total_seconds()
        for earlier, later in itertools.pairwise(runs)
    ]


def test_every_due_time_leaves_one_row(world: World) -> None:
    """A second apart, without a gap; each run succeeded."""
    runs = world.runs["every second"]
    assert len(runs) >= SECONDS - 2
    assert set(seconds_between(runs)) == {1.0}
    assert set(world.states("every second")) == {RunState.SUCCEEDED}


@pytest.mark.parametrize(
    "name", ["overlap allowed", "overlap skipped", "one waits", "paused", "orphaned", "invalid"]
)
def test_so_it_is_whatever_the_policy(world: World, name: str) -> None:
    """A run, or a row that says why not."""
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
    """A run takes two and a half seconds: more than one at a time."""
    assert most_at_once(world.queued("overlap allowed")) > 1
    assert RunState.SKIPPED not in world.states("overlap allowed")


def test_overlap_that_is_skipped(world: World) -> None:
    """One at a time, and the due times between say which run was in the way."""
    ran = world.queued("overlap skipped")
    assert len(ran) >= 2
    assert most_at_once(ran) == 1
    skipped = [run for run in world.runs["overlap skipped"] if run.state == RunState.SKIPPED]
    assert skipped
    in_the_way = {f"Overlap: run {run.id} isn't finished." for run in ran}
    assert {run.reason for run in skipped} <= in_the_way


def test_one_run_that_waits(world: World) -> None:
    """Never two at a time, never more than one waiting."""
    ran = world.queued("one waits")
    assert len(ran) >= 3
    assert most_at_once(ran) == 1
    assert all(
        "one waits already" in (run.reason or "")
        for run in world.runs["one waits"]
        if run.state == RunState.SKIPPED
    )


def test_two_failures_in_a_row_pause_the_task(world: World) -> None:
    """Later due times say so."""
    states = world.states("pause after two")
    # A few may be on their way meanwhile.
    assert 2 <= states.count(RunState.FAILED) <= 8
    assert states.count(RunState.SKIPPED) >= 3
    reasons = {run.reason for run in world.runs["pause after two"] if run.reason}
    assert "Paused after 2 failures in a row: RuntimeError" in reasons


def test_attempts_with_backoff(world: World) -> None:
    """Three attempts, one row, all that was said."""
    [run] = world.runs["attempts"]
    assert (run.state, run.result, run.attempts) == (RunState.SUCCEEDED, 3.0, 3)
    assert run.attempt_log is not None
    assert [entry["error_type"] for entry in run.attempt_log] == ["RuntimeError"] * 2 + [None]
    assert [line[2] for line in world.said[run.id].lines] == [f"attempt {n}" for n in (1, 2, 3)]


def test_time_limits(world: World) -> None:
    """The hard one kills the process, the soft one raises inside the job."""
    [hard], [soft] = world.runs["hard limit"], world.runs["soft limit"]
    assert (hard.state, hard.error_type) == (RunState.FAILED, "TimeLimitExceeded")
    assert soft.state == RunState.FAILED
    assert (soft.error_type or "").endswith("SoftTimeLimitExceeded")


def test_once(world: World) -> None:
    """At its time."""
    [run] = world.runs["once"]
    assert run.state == RunState.SUCCEEDED


def test_a_maximum_of_runs(world: World) -> None:
    """And no row after it."""
    assert world.states("three runs") == [RunState.SUCCEEDED] * 3


def test_start_and_end(world: World) -> None:
    """One begins where the other ends."""
    assert world.runs["ends"] and world.runs["starts"]
    assert world.runs["ends"][-1].due_at < world.runs["starts"][0].due_at + timedelta(seconds=1)
    assert seconds_between(world.runs["ends"]).count(1.0) == len(world.runs["ends"]) - 1


def test_missed_runs_that_are_skipped(world: World) -> None:
    """One row for the gap, and a run for what came within the grace."""
    first = world.runs["missed: skip"][0]
    assert first.state == RunState.SKIPPED
    assert first.output is not None
    assert first.output["missed"]["count"] >= 9
    assert RunState.SKIPPED not in world.states("missed: skip")[1:]


def test_the_newest_missed_run_is_made_up_for(world: World) -> None:
    """Late, which it says; the others share a row."""
    first, late = world.runs["missed: once"][:2]
    assert first.state == RunState.SKIPPED
    assert first.output is not None
    assert first.output["missed"]["count"] >= 8
    assert late.state == RunState.SUCCEEDED
    assert "late" in (late.reason or "")


@pytest.mark.parametrize("name", ["missed: all", "within the grace"])
def test_every_missed_run_is_made_up_for(world: World, name: str) -> None:
    """By the policy, or because none is late by more than the grace."""
    assert len(world.runs[name]) >= 11
    assert set(world.states(name)) == {RunState.SUCCEEDED}
    assert set(seconds_between(world.runs[name])) == {60.0}


def test_jitter(world: World) -> None:
    """Runs start after their due time, by up to four seconds and what a tick takes."""
    waits = [
        (run.started_at - run.due_at).total_seconds()
        for run in world.runs["jitter"]
        if run.started_at is not None
    ]
    assert len(waits) >= 5
    assert max(waits) > 1
    assert set(seconds_between(world.runs["jitter"])) == {1.0}


def test_a_paused_task(world: World) -> None:
    """Each due time says so, and why."""
    assert {run.reason for run in world.runs["paused"]} == {"Not today."}
    assert set(world.states("paused")) == {RunState.SKIPPED}


def test_orphaned_and_invalid_tasks(world: World) -> None:
    """They are skipped with the reason, and disturb nobody."""
    assert {run.reason for run in world.runs["orphaned"]} == {
        "No job is registered under the name nobody_has_it."
    }
    for run in world.runs["invalid"]:
        assert (run.reason or "").startswith("Its arguments don't fit the job: ")


def test_the_common_slot_goes_on_beside_them(world: World) -> None:
    """Once, since the slot is a day."""
    assert len(world.queued("common slot")) in (1, 2)
