"""Tasks with their own schedules: one row per due time."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.rows.due import launch, row, runs, schedule
from taskadmin.jobs import all_jobs
from taskadmin.models import (
    MASKED,
    Launch,
    LaunchKind,
    MissedRuns,
    RunState,
    Task,
    TaskPause,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.launches import launches, slots
from taskadmin.store.launches.due import DueLaunch
from taskadmin.store.tasks import tasks
from taskadmin.store.tasks.schedules import ScheduleInput


def test_a_due_task_gets_its_run_and_its_next_due_time(
    session: Session, make_task: MakeTask
) -> None:
    """Once, in a launch of kind "schedules"."""
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
    assert before is not None
    assert stored.next_due == before + timedelta(hours=1)
    assert launch(session) is None


def test_its_launch_is_sent_like_any_other(session: Session, make_task: MakeTask) -> None:
    """Another launcher can continue it."""
    task = make_task()
    schedule(session, task)
    launched = launch(session)
    assert launched is not None and launched.launch_id is not None
    assert [run.id for run in launches.unsent_runs(session, launched.launch_id, limit=5)] == [
        run.id for run in runs(session, task)
    ]


def test_the_common_slot_leaves_it_out(session: Session, make_task: MakeTask) -> None:
    """A task has only one schedule."""
    own, common = make_task(), make_task()
    schedule(session, own)
    launch_id = slots.open_slot(session, 300)
    assert launch_id is not None
    owner = uuid4()
    launches.take(session, launch_id, owner)
    launches.queue_page(session, launch_id, owner, page_size=10, jobs=all_jobs())
    assert (len(runs(session, own)), len(runs(session, common))) == (0, 1)


def test_many_launchers_at_once_launch_each_due_time_once(
    engine: Engine, session: Session, make_task: MakeTask, at_once: AtOnce
) -> None:
    """They divide the tasks among themselves."""
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
    while launch(session):  # rows that all launchers skipped as locked
        pass
    assert [len(runs(session, task)) for task in some] == [1] * 40


def test_a_paused_task_leaves_a_row_that_says_so(session: Session, make_task: MakeTask) -> None:
    """Each due time is skipped, with the pause's user and reason."""
    task = make_task(enabled=False)
    schedule(session, task, ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=60, max_runs=1))
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
    """Each has a skipped run with the reason and the names of its secrets."""
    orphan, good = make_task(), make_task()
    session.execute(
        update(Task)
        .where(Task.id == orphan.id)
        .values(job="gone", lower_limit=None, upper_limit=None, params={"a": 1, MASKED: ["a"]})
    )
    session.commit()
    for task in (orphan, good):
        schedule(session, task)
    launch(session)
    [skipped], [queued] = runs(session, orphan), runs(session, good)
    assert skipped.task_params == {"a": 1, "author_id": orphan.created_by, MASKED: ["a"]}
    assert (skipped.state, skipped.reason) == (
        RunState.SKIPPED,
        "No job named gone is registered.",
    )
    assert queued.state == RunState.QUEUED
    assert row(session, orphan).next_due is not None


def test_a_schedule_that_cannot_be_kept_stops_alone(session: Session, make_task: MakeTask) -> None:
    """For example, if this machine doesn't know its time zone."""
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
    """Even if more due times have accumulated."""
    task = make_task()
    moment = now(session)
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=1, max_runs=3),
        next_due=moment.replace(microsecond=0) - timedelta(seconds=10),
    )
    launch(session)
    assert len(runs(session, task)) == 3
    assert row(session, task).next_due is None


def test_a_gap_leaves_one_row(session: Session, make_task: MakeTask) -> None:
    """It has the first and last due time and their number."""
    task = make_task()
    hour = now(session).replace(minute=0, second=0, microsecond=0)
    schedule(
        session,
        task,
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600, missed_runs=MissedRuns.SKIP),
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


def test_jitter_moves_the_start_and_not_the_due_time(session: Session, make_task: MakeTask) -> None:
    """A delayed run isn't sent with its launch."""
    some = [make_task() for _ in range(20)]
    wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=86400, jitter_seconds=86400)
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
    """Its schedule ends."""
    task = make_task()
    schedule(session, task)
    tasks.delete_tasks(session, [task.id])
    launched = launch(session)
    assert launched == DueLaunch(None, 1, 0, 0)
    assert runs(session, task) == []
    assert launch(session) is None
