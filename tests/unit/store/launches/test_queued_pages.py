"""Queueing a launch's runs page by page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.ledger.launchers import (
    open_and_take,
    queue_page,
    started_tasks,
)
from taskadmin.models import Launch, RunState, Task, TaskResult
from taskadmin.store.launches import launches
from taskadmin.store.launches.launches import QueuedPage
from taskadmin.store.runs import results
from taskadmin.store.tasks import tasks


def test_a_slot_without_any_task_is_finished_at_once(session: Session, owner: UUID) -> None:
    """Without tasks, the launch is empty and done."""
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner) == QueuedPage(0, more=False)
    assert launches.finish_launch(session, launch_id, owner) == (0, 0)


def test_pages_follow_one_another_without_gap_or_repetition(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """At the end, each task has one run, ordered by id."""
    ids = [make_task().id for _ in range(7)]
    launch_id = open_and_take(session, owner)
    pages = [queue_page(session, launch_id, owner, page_size=3) for _ in range(3)]
    assert pages == [QueuedPage(3, more=True), QueuedPage(3, more=True), QueuedPage(1, more=False)]
    assert started_tasks(session) == ids
    assert launches.finish_launch(session, launch_id, owner) == (7, 0)


def test_a_page_is_never_larger_than_asked_for(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Neither rows nor the session's memory grow with the number of tasks."""
    for _ in range(5):
        make_task()
    session.expunge_all()
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner, page_size=2) == QueuedPage(2, more=True)
    assert len(started_tasks(session)) == 2
    assert not list(session.identity_map.values())


def test_a_page_takes_a_fixed_number_of_statements(
    session: Session, make_task: MakeTask, owner: UUID, count_queries: CountQueries
) -> None:
    """Independent of its number of tasks."""
    for _ in range(12):
        make_task()
    launch_id = open_and_take(session, owner)
    counts = []
    for size in (2, 10):
        with count_queries() as statements:
            queue_page(session, launch_id, owner, page_size=size)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert len(started_tasks(session)) == 12


def test_a_run_holds_the_task_as_it_was(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """Later edits don't change it; the due time is the slot's."""
    task = make_task(None, 1.5, 2.5)
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    task = session.get_one(Task, 1)
    tasks.update_task(
        session,
        task,
        version=1,
        arguments={"lower_limit": 8.0, "upper_limit": 9.0},
        name=None,
        enabled=False,
    )
    run = session.scalars(select(TaskResult)).one()
    assert run.task_params == {
        "lower_limit": 1.5,
        "upper_limit": 2.5,
        "author_id": task.created_by,
    }
    assert run.due_at == session.get_one(Launch, launch_id).slot
    assert (run.job, run.queue) == ("generate_random_number", "taskadmin.runs")
    assert (run.state, run.attempts, run.max_attempts) == (RunState.QUEUED, 0, 1)
    assert run.launch_id == launch_id


def test_paused_tasks_are_not_started(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """Each has a skipped run; a page of only paused tasks moves the cursor, too."""
    first = make_task().id
    paused = [make_task(enabled=False).id for _ in range(3)]
    last = make_task().id
    launch_id = open_and_take(session, owner)
    pages = [queue_page(session, launch_id, owner, page_size=2) for _ in range(3)]
    assert pages == [QueuedPage(1, more=True), QueuedPage(0, more=True), QueuedPage(1, more=False)]
    rows = session.scalars(select(TaskResult).order_by(TaskResult.task_id)).all()
    assert [(row.task_id, row.state) for row in rows] == [
        (first, RunState.QUEUED),
        *((task_id, RunState.SKIPPED) for task_id in paused),
        (last, RunState.QUEUED),
    ]
    assert {row.reason for row in rows[1:-1]} == {"Paused by author."}


def test_tasks_that_come_or_go_between_pages_are_left_out(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Otherwise, a launch could go on as long as tasks are added."""
    ids = [make_task().id for _ in range(4)]
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=1)
    make_task()
    tasks.delete_tasks(session, [ids[1], ids[3]])
    assert queue_page(session, launch_id, owner, page_size=1) == QueuedPage(1, more=True)
    assert queue_page(session, launch_id, owner, page_size=1) == QueuedPage(0, more=False)
    assert started_tasks(session) == [ids[0], ids[2]]


@pytest.mark.databases("postgresql")
def test_a_task_of_a_page_can_not_be_deleted_until_the_page_is_written(
    engine: Engine,
    session: Session,
    make_task: MakeTask,
    owner: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its foreign key would fail the whole page; edits are possible."""
    ids = [make_task().id for _ in range(3)]
    launch_id = open_and_take(session, owner)
    refused: list[OperationalError] = []

    def copy_runs(*arguments: Any, **keywords: Any) -> Any:
        with engine.begin() as stranger:
            stranger.execute(text("SET LOCAL lock_timeout = '100ms'"))
            stranger.execute(update(Task).where(Task.id == ids[2]).values(name="edited"))
        try:
            with engine.begin() as stranger:
                stranger.execute(text("SET LOCAL lock_timeout = '100ms'"))
                stranger.execute(delete(Task).where(Task.id == ids[1]))
        except OperationalError as error:
            refused.append(error)
        return results.copy_runs(*arguments, **keywords)

    monkeypatch.setattr(launches, "copy_runs", copy_runs)
    assert queue_page(session, launch_id, owner) == QueuedPage(3, more=False)
    assert "lock timeout" in str(refused[0])
    assert started_tasks(session) == ids


def test_a_job_that_is_not_registered_leaves_a_row_with_the_reason(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Nothing is sent for it, and it is counted as skipped."""
    make_task(job="make_tea", params={"sugar": 2})
    good = make_task().id
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner) == QueuedPage(1, more=False)
    skipped = session.scalars(select(TaskResult).where(TaskResult.state == RunState.SKIPPED)).one()
    assert skipped.reason == "No job named make_tea is registered."
    assert skipped.finished_at == skipped.queued_at
    assert (skipped.job, skipped.queue) == ("make_tea", "")
    unsent = launches.unsent_runs(session, launch_id, limit=10)
    assert [run.job for run in unsent] == ["generate_random_number"]
    assert {good, skipped.task_id} == {*started_tasks(session)}
    assert launches.finish_launch(session, launch_id, owner) == (1, 1)


def test_a_page_that_is_made_again_adds_no_second_run(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Due times are unique, so repeating a page, as after a restore, adds nothing."""
    make_task()
    make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=1)
    session.execute(update(Launch).values(after_task_id=0))
    session.commit()
    assert queue_page(session, launch_id, owner) == QueuedPage(1, more=False)
    assert len(started_tasks(session)) == 2
