"""Retry and cancel runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.runs import DONE, DUE, queue, row
from taskadmin.errors import TooManyRuns
from taskadmin.jobs import all_jobs
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    Overlap,
    ProcessKind,
    RunProgress,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
)
from taskadmin.store import audit, claims, closing, launches, processes, tasks, unclaimed
from taskadmin.store.audit import Actor, Filter
from taskadmin.store.by_hand import ManualLaunch
from taskadmin.store.matching_runs import Matching, matching_runs
from taskadmin.store.processes import Identity
from taskadmin.store.run_actions import cancel_runs, discard_runs, retry_runs

ADA = Actor(None, "ada", "192.0.2.1")
WORKER = Identity(ProcessKind.WORKER, "w1@host", "host", 1)


def retry(session: Session, *ids: int, key: UUID | None = None) -> ManualLaunch:
    return retry_runs(
        session,
        ids,
        actor=ADA,
        request_key=key or uuid4(),
        owner=uuid4(),
        jobs=all_jobs(),
    )


def finish(session: Session, run_id: int, state: RunState = RunState.FAILED) -> int:
    """Make a run final."""
    error_type = "Boom" if state == RunState.FAILED else None
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run_id)
        .values(state=state, reason="Because.", finished_at=DUE, error_type=error_type)
    )
    session.commit()
    return run_id


def retries(session: Session) -> list[TaskResult]:
    session.expire_all()
    query = select(TaskResult).where(TaskResult.retry_of.is_not(None))
    return list(session.scalars(query.order_by(TaskResult.id)))


def trail(session: Session) -> list[tuple[Any, ...]]:
    found = audit.page(session, Filter(), limit=100)
    return [(entry.action, entry.subject, entry.before, entry.after) for entry in found]


@pytest.mark.parametrize(
    "state", [RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED, RunState.SUCCEEDED]
)
def test_a_finished_run_is_run_again_as_it_was(
    session: Session, run_id: int, state: RunState
) -> None:
    """In a new row, with the arguments of then; the old one stays."""
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


def test_several_runs_of_one_task_are_retried_together(
    session: Session, run_id: int, make_task: MakeTask
) -> None:
    """Each has a due time of its own."""
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


def test_what_is_open_deleted_or_unknown_is_not_retried(
    session: Session, run_id: int, make_task: MakeTask
) -> None:
    """Nobody sees the runs of a deleted task."""
    gone = make_task().id
    finish(session, queue(session, gone))
    tasks.delete_tasks(session, [gone])
    assert retry(session, run_id, 2, 999).runs == 0
    assert retries(session) == []


def test_a_retry_of_a_job_that_is_gone_says_so(session: Session, run_id: int) -> None:
    """A skipped row with the reason."""
    finish(session, run_id)
    session.execute(update(TaskResult).values(job="make_tea"))
    session.commit()
    launched = retry(session, run_id)
    assert (launched.runs, launched.skipped) == (0, 1)
    [new] = retries(session)
    assert (new.state, new.job) == (RunState.SKIPPED, "make_tea")
    assert new.reason == "No job is registered under the name make_tea."


def test_a_double_click_retries_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Also when both requests overlap."""
    finish(session, run_id)
    key = uuid4()

    def click() -> ManualLaunch:
        with Session(engine) as own:
            return retry(own, run_id, key=key)

    launched = at_once(*[click] * 4)
    assert sorted(result.new for result in launched) == [False, False, False, True]
    assert len(retries(session)) == 1


def test_retries_follow_the_rule_for_overlaps(session: Session, run_id: int) -> None:
    """One goes ahead, one waits, a third is skipped."""
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
    """Finished ones stay as they are."""
    task_id = row(session, run_id).task_id
    done = finish(session, queue(session, task_id, DUE + timedelta(hours=1)), RunState.SUCCEEDED)
    assert cancel_runs(session, [run_id, done, 999], actor=ADA) == ([run_id], [])
    run = row(session, run_id)
    assert (run.state, run.reason) == (RunState.CANCELLED, "Cancelled by ada.")
    assert run.finished_at is not None
    assert row(session, done).state == RunState.SUCCEEDED
    assert cancel_runs(session, [run_id, done], actor=ADA, running=True) == ([], [])
    assert trail(session) == [
        (
            *("cancelled", f"Run {run_id} of Task {task_id}"),
            *({"state": "queued"}, {"state": "cancelled"}),
        )
    ]


def test_a_running_one_is_cancelled_only_by_choice(session: Session, run_id: int) -> None:
    """What its worker returns then changes nothing."""
    token = uuid4()
    claimed = claims.claim(
        session,
        run_id,
        DUE,
        token=token,
        process_id=processes.register(session, WORKER),
        worker="w1@host",
    )
    assert claimed is not None
    assert cancel_runs(session, [run_id], actor=ADA) == ([], [])
    assert row(session, run_id).state == RunState.RUNNING
    assert cancel_runs(session, [run_id], actor=ADA, running=True) == ([], [run_id])
    assert not claims.complete(session, run_id, claimed, token, DONE)
    assert not claims.retry_later(session, run_id, claimed, token, DONE, timedelta())
    run = row(session, run_id)
    assert (run.state, run.result) == (RunState.CANCELLED, None)


def test_an_unclaimed_result_of_a_cancelled_run_is_dropped(session: Session, run_id: int) -> None:
    """A short job may be at work although its run is shown as queued."""
    cancel_runs(session, [run_id], actor=ADA)
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    assert row(session, run_id).state == RunState.CANCELLED


def test_runs_of_deleted_tasks_are_not_cancelled_again(session: Session, run_id: int) -> None:
    """They were, with their task."""
    tasks.delete_tasks(session, [row(session, run_id).task_id])
    assert cancel_runs(session, [run_id], actor=ADA) == ([], [])


def test_two_people_cancel_at_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """One of them did it, whatever the order of their selections."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 6))]

    def cancel(order: int) -> int:
        with Session(engine) as own:
            return len(cancel_runs(own, ids[::order], actor=ADA).queued)

    done = at_once(lambda: cancel(1), lambda: cancel(-1), lambda: cancel(1))
    assert sum(done) == len(ids)
    assert len(trail(session)) == len(ids)


def test_all_that_match_come_in_batches(session: Session, run_id: int, make_task: MakeTask) -> None:
    """In order of their ids, and as they were when they were looked up."""
    task_id = row(session, run_id).task_id
    other = finish(session, queue(session, make_task().id))
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 5))]
    open_ones = Matching(task_id=task_id, states=[RunState.QUEUED], launch_id=5)
    seen = []
    for batch in matching_runs(session, open_ones, batch=2):
        cancel_runs(session, batch, actor=ADA)
        seen.append(batch)
    assert seen == [ids[0:2], ids[2:4], ids[4:]]
    assert list(matching_runs(session, open_ones)) == []
    assert list(matching_runs(session, Matching(states=[RunState.FAILED]))) == [[other]]
    assert list(matching_runs(session, Matching(job="make_tea"))) == []
    assert list(matching_runs(session, Matching(error_type="ValueError"))) == []


def test_too_many_matches_are_refused(session: Session, run_id: int) -> None:
    """Before anything is done."""
    queue(session, row(session, run_id).task_id, DUE + timedelta(hours=1))
    assert list(matching_runs(session, Matching(), most=2)) == [[1, 2]]
    with pytest.raises(TooManyRuns, match="More than 1 run matches; nothing was done"):
        next(matching_runs(session, Matching(), most=1))


def launch(session: Session, **columns: Any) -> int:
    """A launch of a slot of its own; returns its id."""
    slot = DUE + timedelta(days=len(session.scalars(select(Launch.id)).all()))
    made = Launch(kind=LaunchKind.SLOT, slot=slot, opened_at=DUE, **columns)
    session.add(made)
    session.commit()
    return made.id


def moved(session: Session, run_id: int, launch_id: int) -> int:
    """Give a run to another launch."""
    session.execute(update(TaskResult).where(TaskResult.id == run_id).values(launch_id=launch_id))
    session.commit()
    return run_id


def left(session: Session) -> list[int]:
    return list(session.scalars(select(TaskResult.id).order_by(TaskResult.id)))


def test_failed_runs_are_deleted_with_what_belongs_to_them(session: Session, run_id: int) -> None:
    """One entry for each job and exception says how many, and which."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 4))]
    for found in ids:
        finish(session, found)
    session.execute(update(TaskResult).where(TaskResult.id == ids[1]).values(error_type="Other"))
    session.add(RunProgress(result_id=run_id, lines=[], updated_at=DUE))
    session.commit()
    assert discard_runs(session, [*ids, 999], actor=ADA) == (ids, 0)
    assert left(session) == []
    assert session.scalars(select(RunProgress.result_id)).all() == []
    told = {"job": "generate_random_number", "error_type": "Boom", "runs": 3}
    other = {"job": "generate_random_number", "error_type": "Other", "runs": 1}
    assert trail(session) == [
        (
            *("discarded", "1 failed run of generate_random_number: Other"),
            *(other | {"first": ids[1], "last": ids[1]}, None),
        ),
        (
            *("discarded", "3 failed runs of generate_random_number: Boom"),
            *(told | {"first": ids[0], "last": ids[3]}, None),
        ),
    ]


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.FAILED])
def test_what_is_not_failed_is_never_deleted(
    session: Session, run_id: int, state: RunState
) -> None:
    """Whatever is asked for."""
    if state == RunState.RUNNING:
        claims.claim(
            session,
            run_id,
            DUE,
            token=uuid4(),
            process_id=processes.register(session, WORKER),
            worker="w1@host",
        )
    elif state != RunState.QUEUED:
        finish(session, run_id, state)
    assert discard_runs(session, [run_id], actor=ADA) == ([], 0)
    assert left(session) == [run_id]
    assert trail(session) == []


def test_runs_are_deleted_only_once_their_launch_is_sent(session: Session, run_id: int) -> None:
    """Closed, or published and sent beyond the run; otherwise it waits."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 4))]
    for found in ids:
        finish(session, found)
    opening, beyond, before, closed = ids
    published = {"state": LaunchState.PUBLISHED, "published_at": DUE}
    moved(session, opening, launch(session, state=LaunchState.OPENING, published_id=99))
    moved(session, beyond, launch(session, **published, published_id=beyond))
    moved(session, before, launch(session, **published, published_id=before - 1))
    moved(session, closed, launch(session, state=LaunchState.CLOSED, closed_at=DUE))
    assert discard_runs(session, ids, actor=ADA) == ([beyond, closed], 2)
    assert left(session) == [opening, before]


def test_a_deleted_run_of_a_slot_is_never_launched_again(
    session: Session, make_task: MakeTask
) -> None:
    """Its launch's row keeps the slot, also when the launcher looks at the same slot again."""
    make_task()
    owner = uuid4()
    slot = launches.open_slot(session, 1e9)
    assert slot is not None
    launches.take(session, slot, owner)
    while launches.queue_page(session, slot, owner, page_size=9, jobs=all_jobs()).more:
        pass
    [run_id] = left(session)
    launches.mark_sent(session, slot, owner, run_id)
    launches.finish_launch(session, slot, owner)
    finish(session, run_id)
    assert discard_runs(session, [run_id], actor=ADA).run_ids == [run_id]
    assert launches.open_slot(session, 1e9) is None
    assert closing.close_finished(session) == 1
    assert launches.open_slot(session, 1e9) is None
    assert left(session) == []


def test_an_overlap_does_not_wait_for_a_deleted_run(session: Session, run_id: int) -> None:
    """The next one goes ahead."""
    task_id = row(session, run_id).task_id
    schedule = TaskSchedule(task_id=task_id, kind="slot", overlap=Overlap.SKIP)
    schedule.current_run_id = finish(session, run_id)
    session.add(schedule)
    session.commit()
    later = finish(session, queue(session, task_id, DUE + timedelta(hours=1)))
    discard_runs(session, [run_id], actor=ADA)
    assert retry(session, later).runs == 1


def test_runs_of_deleted_tasks_are_left_to_the_pruner(session: Session, run_id: int) -> None:
    """Nobody sees them."""
    finish(session, run_id)
    tasks.delete_tasks(session, [row(session, run_id).task_id])
    assert discard_runs(session, [run_id], actor=ADA) == ([], 0)


def test_two_people_delete_at_once(
    engine: Engine, session: Session, run_id: int, at_once: AtOnce
) -> None:
    """Each run is deleted, and told of, once."""
    task_id = row(session, run_id).task_id
    ids = [run_id, *(queue(session, task_id, DUE + timedelta(hours=n)) for n in range(1, 6))]
    for found in ids:
        finish(session, found)

    def discard(order: int) -> int:
        with Session(engine) as own:
            return len(discard_runs(own, ids[::order], actor=ADA).run_ids)

    done = at_once(lambda: discard(1), lambda: discard(-1), lambda: discard(1))
    assert sum(done) == len(ids)
    assert sum(before["runs"] for _, _, before, _ in trail(session)) == len(ids)
