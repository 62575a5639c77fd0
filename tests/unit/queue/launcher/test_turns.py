"""Turns of the launcher, on the in-memory broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from services.ledger.messages import sent
from services.ledger.turns import DAY, launch_states, run_ids
from taskadmin.models import Launch, LaunchState, RunState, Task, TaskResult, TaskSchedule, User
from taskadmin.queue import celery_tasks
from taskadmin.queue.launcher import turns
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database import clock
from taskadmin.store.database.transaction import ledger_transaction
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule


def test_a_turn_queues_and_sends_one_run_for_each_enabled_task(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """Of five tasks on three pages, one is paused: four runs are sent once each, in order."""
    paused = [make_task(enabled=number != 2) for number in range(5)][2].id

    turn = run_turn(session, celery, DAY)

    assert (turn.opened, turn.sent, turn.finished) == (1, 4, 1)
    assert sent(celery) == run_ids(session)
    skipped = session.scalars(
        select(TaskResult.task_id).where(TaskResult.state == RunState.SKIPPED)
    )
    assert skipped.all() == [paused]
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_every_step_is_tried_whatever_the_others_raise(
    session: Session,
    celery: Celery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first error is raised at the end, so that the turn counts as failed."""

    def failing(step: turns.TurnStep) -> turns.TurnStep:
        def fail(_: Any) -> None:
            raise ValueError(step.what)

        return replace(step, do=fail)

    monkeypatch.setattr(turns, "TURN_STEPS", tuple(map(failing, turns.TURN_STEPS)))
    with pytest.raises(ValueError, match="record missed slots"):
        run_turn(session, celery, DAY)

    assert [message.partition(";")[0] for message in caplog.messages] == [
        f"The launcher could not {step.what}"
        for step in turns.TURN_STEPS
        if step.what != "request the next turn"  # nothing is left
    ]


def test_a_second_turn_in_the_same_slot_does_nothing(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """A slot is launched once, however often beat ticks."""
    make_task()
    run_turn(session, celery, DAY)
    sent(celery)

    turn = run_turn(session, celery, DAY)

    assert (turn.opened, turn.sent, turn.finished) == (0, 0, 0)
    assert sent(celery) == []
    assert session.scalar(select(func.count()).select_from(Launch)) == 1


def test_parameters_are_those_of_the_launch(
    session: Session, celery: Celery, make_task: Callable[..., Task], make_user: Callable[..., User]
) -> None:
    """A run keeps its limits and author from when it was queued."""
    author = make_user("ana")
    make_task(author, 1.5, 2.5)

    run_turn(session, celery, DAY)

    assert session.scalar(select(TaskResult.task_params)) == {
        "lower_limit": 1.5,
        "upper_limit": 2.5,
        "author_id": author.id,
    }


def test_a_turn_launches_tasks_with_their_own_schedules(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """Beside the common slot, in as many transactions as needed."""
    tasks = [make_task() for _ in range(3)]
    own = [task.id for task in tasks[:2]]
    for task_id in own:
        schedule_as_due(session, task_id)

    turn = run_turn(session, celery, DAY)

    assert (turn.due, turn.opened, turn.sent, turn.finished) == (2, 1, 3, 2)
    assert sorted(sent(celery)) == run_ids(session)
    assert run_turn(session, celery, DAY).due == 0


def schedule_as_due(session: Session, task_id: int) -> None:
    moment = clock.now(session)
    wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=86400)
    with ledger_transaction(session):
        put_schedule(session, task_id, wanted, moment=moment, slot_interval_seconds=300)
        session.execute(
            update(TaskSchedule)
            .where(TaskSchedule.task_id == task_id)
            .values(next_due=moment - timedelta(seconds=1))
        )


@pytest.mark.databases("postgresql")
def test_a_launcher_without_any_right_says_so_once(
    celery: Celery,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a traceback on every tick."""

    def refused(*_: Any, **__: Any) -> None:
        session.execute(text("SET LOCAL ROLE pg_monitor"))
        session.execute(select(Task.id))

    monkeypatch.setattr(celery_tasks, "run_turn", refused)
    for _ in range(2):
        celery.tasks["taskadmin.tick"]()
        session.rollback()

    assert caplog.messages == [
        "The launcher can't work: permission denied for table taskadmin_task"
    ]
