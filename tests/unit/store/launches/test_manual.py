"""Launches by "Run now"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchKind, Overlap, RunState, TaskResult, TaskSchedule
from taskadmin.store.launches import launches, manual, slots
from taskadmin.store.launches.launches import QueuedPage
from taskadmin.store.launches.manual import ManualLaunch, launch_manually
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Actor, Filter
from taskadmin.store.runs.overlap import WAITING_UNTIL


def started_tasks(session: Session) -> list[int]:
    return list(session.scalars(select(TaskResult.task_id).order_by(TaskResult.id)))


def click_run_now(
    session: Session,
    ids: list[int],
    key: UUID | None = None,
    owner: UUID | None = None,
    **more: Any,
) -> ManualLaunch:
    return launch_manually(
        session,
        ids,
        requested_by=1,
        request_key=key or uuid4(),
        owner=owner or uuid4(),
        jobs=all_jobs(),
        **more,
    )


def test_run_now_queues_the_chosen_tasks(session: Session, make_task: MakeTask) -> None:
    """Paused ones, too; unknown ids are ignored."""
    chosen = [make_task().id, make_task(enabled=False).id]
    make_task()
    owner = uuid4()
    launched = click_run_now(session, [*chosen, 999], owner=owner)
    assert launched == (launched.launch_id, 2, True, 0)
    launch = session.get_one(Launch, launched.launch_id)
    assert (launch.kind, launch.slot, launch.requested_by) == (LaunchKind.MANUAL, None, 1)
    assert (launch.queued, launch.skipped, launch.owner) == (2, 0, owner)
    assert started_tasks(session) == chosen


def test_two_clicks_at_once_launch_once(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Concurrent and later requests with the same key get the first one's launch."""
    ids, key = [make_task().id], uuid4()

    def click() -> ManualLaunch:
        with Session(engine) as own:
            return click_run_now(own, ids, key)

    launched = at_once(*[click] * 4)
    assert sorted(result.new for result in launched) == [False, False, False, True]
    assert len({result.launch_id for result in launched}) == 1
    with Session(engine) as own:
        again = click_run_now(own, ids, key)
        assert again == (launched[0].launch_id, 1, False, 0)
        assert started_tasks(own) == ids


def test_two_people_may_run_a_task_at_the_same_time(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Each gets a run."""
    ids = [make_task().id, make_task().id]

    def click() -> ManualLaunch:
        with Session(engine) as own:
            return click_run_now(own, ids)

    launched = at_once(*[click] * 4)
    assert [(result.runs, result.new) for result in launched] == [(2, True)] * 4
    with Session(engine) as own:
        assert sorted(started_tasks(own)) == sorted(ids * 4)


def test_a_due_time_that_is_taken_moves_by_a_microsecond(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Due times are unique per task, so a run at the same moment gets the next one."""
    ids = [make_task().id, make_task().id]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(manual, "now", lambda _: moment)
    click_run_now(session, ids[:1])
    assert click_run_now(session, ids) == (2, 2, True, 0)
    due = session.execute(
        select(TaskResult.task_id, TaskResult.due_at).where(TaskResult.launch_id == 2)
    ).all()
    assert sorted(due) == [(ids[0], moment + timedelta(microseconds=1)), (ids[1], moment)]


def test_run_now_of_an_unregistered_job_says_so(session: Session, make_task: MakeTask) -> None:
    """Nothing is queued, and the run has the reason."""
    launched = click_run_now(session, [make_task(job="make_tea").id])
    assert (launched.runs, launched.skipped) == (0, 1)
    assert session.scalar(select(TaskResult.state)) == RunState.SKIPPED


def test_run_now_of_nothing_is_an_empty_launch(session: Session, make_task: MakeTask) -> None:
    """All chosen tasks have been deleted."""
    make_task()
    launched = click_run_now(session, [999])
    assert (launched.runs, launched.new) == (0, True)
    assert started_tasks(session) == []


def test_a_left_launch_of_a_person_is_resumed(session: Session, make_task: MakeTask) -> None:
    """If the web process died before sending, the launcher sends it."""
    launched = click_run_now(session, [make_task().id])
    assert slots.resumable(session) == []
    session.execute(update(Launch).values(owner_until=Launch.opened_at))
    session.commit()
    assert [found.id for found in slots.resumable(session)] == [launched.launch_id]
    successor = uuid4()
    assert launches.take(session, launched.launch_id, successor)
    page = launches.queue_page(
        session, launched.launch_id, successor, page_size=100, jobs=all_jobs()
    )
    assert page == QueuedPage(0, more=False)
    assert len(launches.unsent_runs(session, launched.launch_id, limit=5)) == 1


def test_run_now_leaves_a_trail(session: Session, make_task: MakeTask) -> None:
    """There is one audit entry per task, with its run, and none for a double click."""
    task, key, ada = make_task(name="Dice"), uuid4(), Actor(1, "ada", "192.0.2.1")
    for _ in range(2):
        click_run_now(session, [task.id], key, actor=ada)
    run = session.scalars(select(TaskResult.id)).one()
    [entry] = audit.page(session, Filter(), limit=9)
    assert (entry.actor, entry.action, entry.subject) == ("ada", "started", "Dice")
    assert (entry.before, entry.after) == (None, {"run": run})


def test_a_task_runs_with_other_arguments(session: Session, make_task: MakeTask) -> None:
    """The run has them, the task doesn't; secrets are masked in the audit trail."""
    task = make_task()
    click_run_now(
        session,
        [task.id],
        arguments={"lower_limit": 5.0, "upper_limit": 6.0, "key": "hunter2"},
        masked=["key"],
        actor=Actor(None, "root", "command line"),
    )
    run = session.scalars(select(TaskResult)).one()
    assert run.task_params == {
        "lower_limit": 5.0,
        "upper_limit": 6.0,
        "key": "hunter2",
        "author_id": task.created_by,
        "_masked": ["key"],
    }
    assert task.arguments == {"lower_limit": 0.0, "upper_limit": 1.0}
    [entry] = audit.page(session, Filter(), limit=9)
    assert entry.after == {
        "run": run.id,
        "arguments": {"lower_limit": 5.0, "upper_limit": 6.0, "key": "••••••"},
    }


def test_other_arguments_are_for_one_task(session: Session, make_task: MakeTask) -> None:
    """Several tasks may have different jobs."""
    with pytest.raises(ValueError, match="Arguments can be overridden for one task only"):
        click_run_now(session, [make_task().id, make_task().id], arguments={})


@pytest.mark.parametrize(
    ("overlap", "outcomes"),
    [
        (Overlap.ALLOW, [None, None, None]),
        (
            Overlap.SKIP,
            [None, "Overlap: run 1 isn't finished.", "Overlap: run 1 isn't finished."],
        ),
        (
            Overlap.QUEUE_ONE,
            [None, WAITING_UNTIL, "Overlap: run 1 isn't finished, and one is waiting."],
        ),
    ],
)
def test_clicks_follow_the_rule_for_overlaps(
    session: Session, make_task: MakeTask, overlap: Overlap, outcomes: list[object]
) -> None:
    """Three clicks, one after the other, before any run finishes."""
    task = make_task()
    session.add(TaskSchedule(task_id=task.id, kind="slot", overlap=overlap))
    session.commit()
    for _ in outcomes:
        click_run_now(session, [task.id])
    runs = session.scalars(select(TaskResult).order_by(TaskResult.id)).all()
    assert [run.reason or run.not_before for run in runs] == outcomes
    launch = session.get_one(Launch, 3)
    skipped = int(isinstance(outcomes[2], str))
    assert (launch.queued, launch.skipped) == (1 - skipped, skipped)


def test_two_clicks_at_once_do_not_overlap(
    session: Session, engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Locking the schedule's row makes the check for an open run reliable."""
    task_id = make_task().id
    session.add(TaskSchedule(task_id=task_id, kind="slot", overlap=Overlap.SKIP))
    session.commit()

    def click() -> ManualLaunch:
        with Session(engine) as own:
            return click_run_now(own, [task_id])

    launched = at_once(*[click] * 4)
    assert sorted(result.runs for result in launched) == [0, 0, 0, 1]
    assert sorted(result.skipped for result in launched) == [0, 1, 1, 1]
