"""Retry and cancel runs."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.rows.retries import ADA, finish, retry, trail
from services.rows.runs import DONE, DUE, claim, queue, row
from services.rows.runs import finish as record
from taskadmin.models import (
    Launch,
    LaunchKind,
    Overlap,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
)
from taskadmin.store.launches.manual import ManualLaunch
from taskadmin.store.launches.run_actions import cancel_runs
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.tasks import tasks


def retries(session: Session) -> list[TaskResult]:
    session.expire_all()
    query = select(TaskResult).where(TaskResult.retry_of.is_not(None))
    return list(session.scalars(query.order_by(TaskResult.id)))


@pytest.mark.parametrize(
    "state", [RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED, RunState.SUCCEEDED]
)
def test_a_finished_run_is_run_again_as_it_was(
    session: Session, run_id: int, state: RunState
) -> None:
    """A new run has the original arguments; the old one stays."""
    finish(session, run_id, state)
    session.execute(update(Task).values(lower_limit=-7, name="Dice"))
    session.commit()

    launched = retry(session, run_id)

    assert launched == (launched.launch_id, 1, True, 0)
    assert session.get_one(Launch, launched.launch_id).kind == LaunchKind.MANUAL
    old = row(session, run_id)
    [new] = retries(session)
    assert (old.state, old.finished_at) == (state, DUE)
    assert (new.state, new.retry_of, new.task_id) == (RunState.QUEUED, run_id, old.task_id)
    assert (new.task_params, new.job, new.queue) == (old.task_params, old.job, old.queue)
    assert new.due_at > old.due_at
    assert trail(session) == [("retried", f"Run {run_id} of Dice", None, {"run": new.id})]


def test_a_run_is_retried_as_its_task_is_now(session: Session, run_id: int) -> None:
    """With the task's job and arguments; if they can't run, the new run says why."""
    finish(session, run_id)
    session.execute(update(Task).values(lower_limit=-7))
    session.commit()
    retry(session, run_id, as_tasks=True)
    values = {"job": "gone", "params": {"a": 1}, "lower_limit": None, "upper_limit": None}
    session.execute(update(Task).values(**values))
    session.commit()

    assert retry(session, run_id, as_tasks=True).skipped == 1

    first, second = retries(session)
    assert first.task_params == {**row(session, run_id).task_params, "lower_limit": -7}
    assert (second.job, second.task_params["a"]) == ("gone", 1)
    assert second.reason == "No job named gone is registered."


def test_runs_that_were_retried_are_left_out(
    engine: Engine, session: Session, run_ids: list[int], at_once: AtOnce
) -> None:
    """Also if two people retry at once; a retry that failed is retried."""
    for found in run_ids[:2]:
        finish(session, found)
    retry(session, run_ids[0])

    def press() -> ManualLaunch:
        with Session(engine) as own:
            return retry(own, *run_ids, skip_retried=True)

    assert sorted(launched.runs for launched in at_once(press, press)) == [0, 1]
    assert [run.retry_of for run in retries(session)] == run_ids[:2]
    again = finish(session, retries(session)[0].id)
    assert retry(session, *run_ids, again, skip_retried=True).runs == 1
    assert retry(session, *run_ids).runs == 2


def test_several_runs_of_one_task_are_retried_together(
    session: Session, run_id: int, make_task: MakeTask
) -> None:
    """Each has its own due time."""
    task_id = row(session, run_id).task_id
    ids = [
        run_id,
        queue(session, task_id, DUE + timedelta(hours=1)),
        queue(session, make_task().id),
    ]
    for found in ids:
        finish(session, found)
    assert retry(session, *ids).runs == 3
    assert [run.retry_of for run in retries(session)] == ids


def test_open_deleted_and_unknown_runs_are_not_retried(
    session: Session, run_id: int, make_task: MakeTask
) -> None:
    """Runs of deleted tasks aren't shown."""
    gone = make_task().id
    finish(session, queue(session, gone))
    tasks.delete_tasks(session, [gone])
    assert retry(session, run_id, 2, 999).runs == 0
    assert retries(session) == []


def test_a_retry_without_its_job_is_skipped(session: Session, run_id: int) -> None:
    """The new run is skipped, with the reason."""
    finish(session, run_id)
    session.execute(update(TaskResult).values(job="make_tea"))
    session.commit()
    launched = retry(session, run_id)
    assert (launched.runs, launched.skipped) == (0, 1)
    [new] = retries(session)
    assert (new.state, new.job) == (RunState.SKIPPED, "make_tea")
    assert new.reason == "No job named make_tea is registered."


def test_a_double_click_retries_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Also if both requests overlap."""
    finish(session, run_id)
    key = uuid4()

    def click() -> ManualLaunch:
        with Session(engine) as own:
            return retry(own, run_id, key=key)

    launched = at_once(*[click] * 4)
    assert sorted(result.new for result in launched) == [False, False, False, True]
    assert len(retries(session)) == 1


def test_retries_follow_the_rule_for_overlaps(session: Session, run_id: int) -> None:
    """One starts, one waits, and a third is skipped."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in (1, 2))]
    for found in ids:
        finish(session, found)
    session.add(TaskSchedule(task_id=task_id, kind="slot", overlap=Overlap.QUEUE_ONE))
    session.commit()
    launched = retry(session, *ids)
    assert (launched.runs, launched.skipped) == (2, 1)
    first, second, _ = retries(session)
    schedule = session.get_one(TaskSchedule, task_id)
    assert (schedule.current_run_id, schedule.waiting_run_id) == (first.id, second.id)


def test_queued_runs_are_cancelled_with_the_name(session: Session, run_id: int) -> None:
    """Finished runs stay unchanged."""
    task_id = row(session, run_id).task_id
    done = finish(session, queue(session, task_id, DUE + timedelta(hours=1)), RunState.SUCCEEDED)
    assert cancel_runs(session, [run_id, done, 999], actor=ADA) == ([run_id], [], [run_id])
    run = row(session, run_id)
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled by ada.")
    assert run.finished_at is not None
    assert row(session, done).state == RunState.SUCCEEDED
    assert cancel_runs(session, [run_id, done], actor=ADA, running=True) == ([], [], [])
    assert trail(session) == [
        (
            *("cancelled", f"Run {run_id} of Task {task_id}"),
            *({"state": "queued"}, {"state": "cancelled"}),
        )
    ]


def test_a_running_one_is_cancelled_only_by_choice(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """The result of its worker changes nothing afterwards."""
    token = uuid4()
    runs = claim(session, run_id, process_id=process_id, token=token)
    assert cancel_runs(session, [run_id], actor=ADA) == ([], [], [])
    assert row(session, run_id).state == RunState.RUNNING
    assert cancel_runs(session, [run_id], actor=ADA, running=True) == ([], [run_id], [])
    for delay in (None, timedelta()):
        done = [FinishedRun(run, DONE, delay) for run in runs]
        assert transitions.finish(session, done, token) == set()
    run = row(session, run_id)
    assert (run.state, run.result) == (RunState.CANCELLED, None)


def test_an_unclaimed_result_of_a_cancelled_run_is_dropped(session: Session, run_id: int) -> None:
    """A short job may be executing although its run is queued."""
    cancel_runs(session, [run_id], actor=ADA)
    assert not record(session, run_id)
    assert row(session, run_id).state == RunState.CANCELLED


def test_runs_of_deleted_tasks_are_not_cancelled_again(session: Session, run_id: int) -> None:
    """They were cancelled with their task."""
    tasks.delete_tasks(session, [row(session, run_id).task_id])
    assert cancel_runs(session, [run_id], actor=ADA) == ([], [], [])


def test_two_people_cancel_at_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Only one of them cancels each run, independent of the order."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 6))]

    def cancel(order: int) -> int:
        with Session(engine) as own:
            return len(cancel_runs(own, ids[::order], actor=ADA).queued)

    done = at_once(lambda: cancel(1), lambda: cancel(-1), lambda: cancel(1))
    assert sum(done) == len(ids)
    assert len(trail(session)) == len(ids)
