"""Ownership of launches by launchers, and sending."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.ledger.launchers import (
    DAY,
    let_ownership_pass,
    open_and_take,
    queue_page,
    started_tasks,
)
from services.rows.runs import finish
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, TaskResult
from taskadmin.store.launches import launches, slots
from taskadmin.store.launches.launches import LaunchLost, QueuedPage

# Ownership


def test_a_launch_belongs_to_one_launcher(session: Session, owner: UUID) -> None:
    """Others can't take it; its owner can take it again."""
    launch_id = open_and_take(session, owner)
    assert not launches.take(session, launch_id, uuid4())
    assert launches.take(session, launch_id, owner)
    assert slots.resumable(session) == []


def test_a_launch_is_taken_by_one_of_many_at_once(
    engine: Engine, session: Session, at_once: AtOnce
) -> None:
    """Launchers start together and read the same row."""
    launch_id = slots.open_slot(session, DAY)
    assert launch_id is not None

    def take() -> bool:
        with Session(engine) as own:
            return launches.take(own, launch_id, uuid4())

    assert sorted(at_once(*[take] * 6)) == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("act", "resumable", "taken"),
    [
        # The launcher counts as gone from that moment.
        (lambda session, launch, _: let_ownership_pass(session, launch), [(1, True)], True),
        (launches.release, [(1, False)], True),
        # The previous owner can't take it back.
        (lambda session, launch, _: launches.release(session, launch, uuid4()), [], False),
        (launches.finish_launch, [], False),
    ],
    ids=["its time is over", "released", "released by another", "finished"],
)
def test_an_owned_launch_can_be_taken_after_it_expires(
    session: Session,
    owner: UUID,
    act: Callable[[Session, int, UUID], object],
    resumable: list[tuple[int, bool]],
    taken: bool,
) -> None:
    """Nobody until the ownership is released or expires."""
    launch_id = open_and_take(session, owner)
    act(session, launch_id, owner)
    assert slots.resumable(session) == resumable
    assert launches.take(session, launch_id, uuid4()) == taken


def test_an_unknown_launch_can_not_be_taken(session: Session, owner: UUID) -> None:
    """It was deleted or never existed."""
    assert not launches.take(session, 999, owner)


@pytest.mark.parametrize(
    "act",
    [
        lambda session, launch_id, owner: queue_page(session, launch_id, owner),
        lambda session, launch_id, owner: launches.mark_sent(session, launch_id, owner, 5),
        lambda session, launch_id, owner: launches.finish_launch(session, launch_id, owner),
    ],
    ids=["queue_page", "mark_sent", "finish_launch"],
)
def test_a_launcher_that_wakes_up_after_a_takeover_changes_nothing(
    session: Session,
    make_task: MakeTask,
    owner: UUID,
    act: Callable[[Session, int, UUID], object],
) -> None:
    """It was stopped after a commit while another launcher took over."""
    make_task()
    launch_id = open_and_take(session, owner)
    let_ownership_pass(session, launch_id)
    successor = uuid4()
    assert launches.take(session, launch_id, successor)
    with pytest.raises(LaunchLost):
        act(session, launch_id, owner)
    launch = session.get_one(Launch, launch_id, populate_existing=True)
    assert (launch.state, launch.owner) == (LaunchState.OPENING, successor)
    assert (launch.after_task_id, launch.published_id) == (0, 0)
    assert started_tasks(session) == []


def test_runs_that_a_dead_launcher_may_have_sent_are_claimed(
    session: Session, make_task: MakeTask, owner: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are sent twice, and would be executed twice without a claim."""
    for _ in range(4):
        make_task()
    launch_id = open_and_take(session, owner)
    launches.queue_page(session, launch_id, owner, page_size=10, jobs=all_jobs())
    first, *others = launches.unsent_runs(session, launch_id, limit=10)
    launches.mark_sent(session, launch_id, owner, first.id)
    assert launches.take(session, launch_id, owner), "it goes on itself"
    monkeypatch.setattr(launches, "MAX_UNRECORDED_RUNS", 2)
    let_ownership_pass(session, launch_id)
    assert launches.take(session, launch_id, uuid4())
    runs = session.execute(select(TaskResult.publishes).order_by(TaskResult.id))
    assert list(runs.scalars()) == [0, 1, 1, 0]
    assert len(others) == 3


def test_ownership_is_renewed_with_each_page(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """A working launcher keeps the launch, however long it takes."""
    make_task()
    launch_id = open_and_take(session, owner)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for act in (
        lambda: queue_page(session, launch_id, owner),
        lambda: launches.mark_sent(session, launch_id, owner, 1),
    ):
        session.execute(update(Launch).values(owner_until=soon))
        session.commit()
        act()
        until = session.scalar(select(Launch.owner_until))
        assert until is not None
        assert until > soon + timedelta(seconds=30)


# Sending


def test_runs_behind_the_cursor_are_to_be_sent(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """In order, up to a limit, each with the fields of its message."""
    for _ in range(3):
        make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    first, second = launches.unsent_runs(session, launch_id, limit=2)
    assert first.id < second.id
    assert (first.job, first.queue) == ("generate_random_number", "taskadmin.runs")
    assert first.due_at == session.get_one(Launch, launch_id).slot
    launches.mark_sent(session, launch_id, owner, second.id)
    (third,) = launches.unsent_runs(session, launch_id, limit=2)
    assert third.id > second.id
    launches.mark_sent(session, launch_id, owner, third.id)
    assert launches.unsent_runs(session, launch_id, limit=2) == []


def test_finished_runs_are_not_sent(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """A worker was faster than the launcher's retry."""
    make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    (run,) = launches.unsent_runs(session, launch_id, limit=2)
    finish(session, run.id)
    assert launches.unsent_runs(session, launch_id, limit=2) == []


def test_a_successor_continues_where_the_launcher_stopped(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """After a kill between commit and sending, nothing is lost or duplicated."""
    ids = [make_task().id for _ in range(4)]
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=2)
    let_ownership_pass(session, launch_id)
    successor = uuid4()
    assert launches.take(session, launch_id, successor)
    left = launches.unsent_runs(session, launch_id, limit=10)
    assert len(left) == 2
    assert queue_page(session, launch_id, successor) == QueuedPage(2, more=False)
    assert started_tasks(session) == ids
