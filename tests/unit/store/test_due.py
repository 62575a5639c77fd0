"""Tasks with schedules of their own: one row for each due time, whatever comes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import (
    Launch,
    LaunchKind,
    MissedRuns,
    Overlap,
    RunState,
    Task,
    TaskPause,
    TaskResult,
    TaskSchedule,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store import launches, recovery, tasks
from taskadmin.store.clock import now
from taskadmin.store.due import DueLaunch, launch_due
from taskadmin.store.overlap import WAITING, release_waiting
from taskadmin.store.schedules import ScheduleInput, put_schedule
from taskadmin.store.transaction import ledger_transaction

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOURLY = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=3600)


def schedule(session: Session, task: Task, wanted: ScheduleInput = HOURLY, **columns: Any) -> None:
    """Give the task a schedule that is due since a second, unless *columns* say otherwise."""
    with ledger_transaction(session):
        moment = now(session)
        put_schedule(session, task.id, wanted, moment=moment, slot_interval_s=300)
        values = {"next_due": moment - timedelta(seconds=1)} | columns
        session.execute(
            update(TaskSchedule).where(TaskSchedule.task_id == task.id).values(**values)
        )


def launch(session: Session, *, since: datetime = LONG_AGO, limit: int = 500) -> DueLaunch | None:
    return launch_due(
        session,
        owner=uuid4(),
        jobs=all_jobs(),
        since=since,
        slot_interval_s=300,
        ownership=timedelta(seconds=60),
        limit=limit,
    )


def runs(session: Session, task: Task) -> list[TaskResult]:
    return list(
        session.scalars(
            select(TaskResult)
            .where(TaskResult.task_id == task.id)
            .order_by(TaskResult.due_at)
            .execution_options(populate_existing=True)
        )
    )


def row(session: Session, task: Task) -> TaskSchedule:
    return session.get_one(TaskSchedule, task.id, populate_existing=True)


def make_due(session: Session, task: Task) -> None:
    """Let it be due again, a microsecond after the last time."""
    stored = row(session, task)
    assert stored.last_due is not None
    with ledger_transaction(session):
        session.execute(
            update(TaskSchedule)
            .where(TaskSchedule.task_id == task.id)
            .values(next_due=stored.last_due + timedelta(microseconds=1))
        )


def test_a_due_task_gets_its_run_and_its_next_due_time(
    session: Session, make_task: MakeTask
) -> None:
    """In a launch of its own kind; once."""
    task = make_task()
    schedule(session, task)
    before = row(session, task).next_due
    launched = launch(session)
    assert launched is not None
    assert launched[1:] == (1, 1, 0)
    [run] = runs(session, task)
    assert (run.due_at, run.state, run.launch_id) == (before, RunState.QUEUED, launched.launch_id)
    assert session.get_one(Launch, launched.launch_id).kind == LaunchKind.DUE
    stored = row(session, task)
    assert stored.next_due is not None
    assert (stored.last_due, stored.runs, stored.current_run_id) == (before, 1, run.id)
    assert stored.next_due > now(session)
    assert stored.next_due.minute == stored.next_due.second == 0
    assert launch(session) is None


def test_its_launch_is_sent_like_any_other(session: Session, make_task: MakeTask) -> None:
    """The next launcher goes on with it."""
    task = make_task()
    schedule(session, task)
    launched = launch(session)
    assert launched is not None and launched.launch_id is not None
    assert [run.id for run in launches.unsent_runs(session, launched.launch_id, limit=5)] == [
        run.id for run in runs(session, task)
    ]


def test_the_common_slot_leaves_it_out(session: Session, make_task: MakeTask) -> None:
    """A task runs by one schedule."""
    own, common = make_task(), make_task()
    schedule(session, own)
    launch_id = launches.open_slot(session, 300)
    assert launch_id is not None
    owner = uuid4()
    launches.take(session, launch_id, owner)
    launches.queue_page(session, launch_id, owner, page_size=10, jobs=all_jobs())
    assert (len(runs(session, own)), len(runs(session, common))) == (0, 1)


def test_many_launchers_at_once_launch_each_due_time_once(
    engine: Engine, session: Session, make_task: MakeTask, at_once: AtOnce
) -> None:
    """They share the tasks."""
    some = [make_task() for _ in range(40)]
    for task in some:
        schedule(session, task)

    def work() -> int:
        with Session(engine) as own:
            queued = 0
            while launched := launch(own, limit=7):
                queued += launched.queued
            return queued

    assert sum(at_once(*[work] * 4)) + 0 <= 40
    while launch(session):  # rows that everybody skipped as locked
        pass
    assert [len(runs(session, task)) for task in some] == [1] * 40


def test_a_paused_task_leaves_a_row_that_says_so(session: Session, make_task: MakeTask) -> None:
    """With who and why, for each due time."""
    task = make_task(enabled=False)
    schedule(session, task, ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=60, max_runs=1))
    session.execute(
        update(TaskPause).where(TaskPause.task_id == task.id).values(note="The disk is full.")
    )
    session.commit()
    launched = launch(session)
    assert launched is not None
    [run] = runs(session, task)
    assert run.state == RunState.SKIPPED
    assert run.reason is not None
    assert run.reason.startswith("Paused")
    assert run.reason.endswith("The disk is full.")
    assert row(session, task).runs == 0, "only runs count against the maximum"


def test_orphaned_and_invalid_tasks_disturb_no_other(session: Session, make_task: MakeTask) -> None:
    """Each leaves a skipped row with its reason."""
    orphan, good = make_task(), make_task()
    session.execute(
        update(Task)
        .where(Task.id == orphan.id)
        .values(job="gone", lower_limit=None, upper_limit=None, params={"a": 1})
    )
    session.commit()
    for task in (orphan, good):
        schedule(session, task)
    launch(session)
    [skipped], [queued] = runs(session, orphan), runs(session, good)
    assert (skipped.state, skipped.reason) == (
        RunState.SKIPPED,
        "No job is registered under the name gone.",
    )
    assert queued.state == RunState.QUEUED
    assert row(session, orphan).next_due is not None


def test_a_schedule_that_cannot_be_kept_stops_alone(session: Session, make_task: MakeTask) -> None:
    """A zone that this machine doesn't know, for instance."""
    bad, good = make_task(), make_task()
    schedule(
        session,
        bad,
        ScheduleInput(kind=ScheduleKind.CRON, cron="0 2 * * *", zone="Europe/Berlin"),
        zone="Atlantis/Capital",
    )
    schedule(session, good)
    launch(session)
    [skipped], [queued] = runs(session, bad), runs(session, good)
    assert skipped.state == RunState.SKIPPED
    assert "Atlantis/Capital" in (skipped.reason or "")
    assert queued.state == RunState.QUEUED
    stored = row(session, bad)
    assert stored.next_due is None
    assert "Atlantis/Capital" in (stored.error or "")
    assert launch(session) is None


def test_the_maximum_of_runs_ends_a_schedule(session: Session, make_task: MakeTask) -> None:
    """However many due times have gathered."""
    task = make_task()
    moment = now(session)
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=1, max_runs=3),
        next_due=moment.replace(microsecond=0) - timedelta(seconds=10),
    )
    launch(session)
    assert len(runs(session, task)) == 3
    assert row(session, task).next_due is None


def test_a_gap_leaves_one_row(session: Session, make_task: MakeTask) -> None:
    """With first, last and count."""
    task = make_task()
    hour = now(session).replace(minute=0, second=0, microsecond=0)
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=3600, missed_runs=MissedRuns.SKIP),
        next_due=hour - timedelta(hours=9),
    )
    launch(session, since=now(session))
    found = runs(session, task)
    gap = found[0]
    assert gap.state == RunState.SKIPPED
    assert gap.due_at == hour - timedelta(hours=9)
    assert gap.output is not None
    assert gap.output["missed"]["count"] in (9, 10)
    assert "due times were missed by more than the grace" in (gap.reason or "")
    assert len(found) <= 2


def test_overlap_is_skipped(session: Session, make_task: MakeTask) -> None:
    """As long as the run before isn't finished; then it goes on."""
    task = make_task()
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=3600, overlap=Overlap.SKIP),
    )
    launch(session)
    make_due(session, task)
    launch(session)
    first, second = runs(session, task)
    assert (first.state, second.state) == (RunState.QUEUED, RunState.SKIPPED)
    assert second.reason == f"Overlap: run {first.id} isn't finished."
    finish(session, first)
    make_due(session, task)
    launch(session)
    assert [run.state for run in runs(session, task)] == ["succeeded", "skipped", "queued"]


def test_one_run_waits_for_the_other(session: Session, make_task: MakeTask) -> None:
    """A third is skipped; the second goes ahead when the first is finished."""
    task = make_task()
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=3600, overlap=Overlap.QUEUE_ONE),
    )
    launch(session)
    for _ in range(2):
        make_due(session, task)
        launch(session)
    first, second, third = runs(session, task)
    assert (first.not_before, second.not_before) == (None, WAITING)
    assert (second.state, third.state) == (RunState.QUEUED, RunState.SKIPPED)
    assert release_waiting(session) == 0
    finish(session, first)
    assert release_waiting(session) == 1
    assert [run.id for run in recovery.waiting_runs(session)] == [second.id]
    stored = row(session, task)
    assert (stored.current_run_id, stored.waiting_run_id) == (second.id, None)
    make_due(session, task)
    launch(session)
    assert runs(session, task)[-1].not_before == WAITING


def finish(session: Session, run: TaskResult) -> None:
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run.id)
        .values(state=RunState.SUCCEEDED, finished_at=now(session))
    )
    session.commit()


def test_jitter_moves_the_start_and_not_the_due_time(session: Session, make_task: MakeTask) -> None:
    """A run that waits isn't sent with its launch."""
    some = [make_task() for _ in range(20)]
    wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=86400, jitter_s=86400)
    for task in some:
        schedule(session, task, wanted)
    launched = launch(session)
    assert launched is not None and launched.launch_id is not None
    found = [run for task in some for run in runs(session, task)]
    waits = [run.not_before - run.due_at for run in found if run.not_before]
    assert len(waits) >= 15
    assert len(set(waits)) > 10
    assert all(timedelta(0) < wait <= timedelta(days=1) for wait in waits)
    unsent = launches.unsent_runs(session, launched.launch_id, limit=50)
    assert len(unsent) == 20 - len(waits)


def test_a_deleted_task_is_never_due_again(session: Session, make_task: MakeTask) -> None:
    """Its schedule stops with it."""
    task = make_task()
    schedule(session, task)
    tasks.delete_tasks(session, [task.id])
    launched = launch(session)
    assert launched == DueLaunch(None, 1, 0, 0)
    assert runs(session, task) == []
    assert launch(session) is None


def test_a_clock_that_is_set_back_repeats_nothing(session: Session, make_task: MakeTask) -> None:
    """The next due time lies after the last one, whatever the clock says."""
    task = make_task()
    schedule(session, task)
    launch(session)
    later = now(session) + timedelta(days=2)
    session.execute(
        update(TaskSchedule).where(TaskSchedule.task_id == task.id).values(last_due=later)
    )
    session.commit()
    with ledger_transaction(session):
        wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=60)
        put_schedule(session, task.id, wanted, moment=now(session), slot_interval_s=300)
    next_due = row(session, task).next_due
    assert next_due is not None
    assert next_due > later


@pytest.mark.parametrize("wanted", [None, ScheduleInput(), ScheduleInput(zone="Asia/Tokyo")])
def test_back_to_the_common_slot(
    session: Session, make_task: MakeTask, wanted: ScheduleInput | None
) -> None:
    """A task without policies has no row."""
    task = make_task()
    schedule(session, task)
    with ledger_transaction(session):
        assert put_schedule(session, task.id, wanted, moment=now(session), slot_interval_s=300)
    assert session.get(TaskSchedule, task.id) is None
    launched = launch(session)
    assert launched is None


def test_a_schedule_that_stays_keeps_its_due_time(session: Session, make_task: MakeTask) -> None:
    """Saving a form that changes nothing loses no due time."""
    task = make_task()
    schedule(session, task)
    due = row(session, task).next_due
    with ledger_transaction(session):
        assert not put_schedule(session, task.id, HOURLY, moment=now(session), slot_interval_s=300)
    assert row(session, task).next_due == due
