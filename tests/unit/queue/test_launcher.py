"""Turns of the launcher, on the in-memory broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from taskadmin.errors import BrokerUnavailable
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, RunState, Task, TaskResult, TaskSchedule, User
from taskadmin.queue import RUNS_QUEUE
from taskadmin.queue.launcher import run_turn
from taskadmin.queue.publisher import Publisher
from taskadmin.schedules import ScheduleKind
from taskadmin.settings import Settings
from taskadmin.state import State
from taskadmin.store import clock, launches
from taskadmin.store.by_hand import launch_by_hand
from taskadmin.store.schedules import ScheduleInput, put_schedule
from taskadmin.store.transaction import ledger_transaction

#: A slot so long that no test crosses its end.
DAY = Settings(launch_interval_seconds=86400, page_size=2)


@pytest.fixture
def celery(app: Flask) -> Celery:
    """The Celery application of the app under test, its runs queue empty."""
    state: State = app.extensions["taskadmin"]
    assert state.celery is not None
    purge(state.celery)
    return state.celery


def purge(celery: Celery) -> None:
    """Empty the runs queue; the in-memory broker is shared by the whole process."""
    with celery.connection_for_write() as connection:
        celery.amqp.queues[RUNS_QUEUE].bind(connection.default_channel).declare()
        celery.amqp.queues[RUNS_QUEUE].bind(connection.default_channel).purge()


def sent(celery: Celery) -> list[int]:
    """Ids of the runs in the broker's queue, in order; the queue is empty afterwards."""
    ids = []
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[RUNS_QUEUE].bind(connection.default_channel)
        while message := queue.get(no_ack=True):
            arguments, _, _ = message.payload
            ids.append(arguments[0])
    return ids


def run_ids(session: Session) -> list[int]:
    """Ids of all runs that weren't skipped, in order."""
    ids = list(
        session.scalars(
            select(TaskResult.id)
            .where(TaskResult.state != RunState.SKIPPED)
            .order_by(TaskResult.id)
        )
    )
    session.rollback()
    return ids


def launch_states(session: Session) -> list[LaunchState]:
    """States of all launches, in order."""
    states = list(session.scalars(select(Launch.state).order_by(Launch.id)))
    session.rollback()
    return states


@contextmanager
def failing_after(
    monkeypatch: pytest.MonkeyPatch, runs: int, error: BaseException
) -> Iterator[None]:
    """Let the publisher send this many runs and raise *error* at the next."""
    left = runs
    original = Publisher.send

    def send(self: Publisher, batch: Any, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        nonlocal left
        for run in batch:
            if not left:
                raise error
            left -= 1
            original(self, [run])
        meanwhile()
        self.handled = len(batch)

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "send", send)
        yield


@contextmanager
def without_second_page(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Iterator[None]:
    """Let the launcher write its first page and raise *error* at the next."""
    original = launches.queue_page
    pages = 0

    def queue_page(*arguments: Any, **options: Any) -> launches.Page:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise error
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(launches, "queue_page", queue_page)
        yield


class Killed(BaseException):
    """Stands for a signal that no handler sees."""


def expire_ownership(session: Session) -> None:
    """Make every launcher look like one that was killed a minute ago."""
    session.execute(update(Launch).values(owner_until=Launch.opened_at))
    session.commit()


def test_a_turn_queues_and_sends_one_run_for_each_enabled_task(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """Five tasks over three pages, one of them paused: four runs, each sent once, in order."""
    paused = [make_task(enabled=number != 2) for number in range(5)][2].id

    turn = run_turn(session, celery, DAY)

    assert (turn.opened, turn.sent, turn.finished) == (1, 4, 1)
    assert sent(celery) == run_ids(session)
    skipped = session.scalars(
        select(TaskResult.task_id).where(TaskResult.state == RunState.SKIPPED)
    )
    assert skipped.all() == [paused]
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_a_second_turn_in_the_same_slot_does_nothing(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """However often beat ticks, a slot is launched once."""
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
    """A run keeps limits and author as they were when it was queued."""
    author = make_user("ana")
    make_task(author, 1.5, 2.5)

    run_turn(session, celery, DAY)

    assert session.scalar(select(TaskResult.task_params)) == {
        "lower_limit": 1.5,
        "upper_limit": 2.5,
        "author_id": author.id,
    }


@pytest.mark.parametrize("sent_before", [0, 1, 3])
def test_a_launch_whose_launcher_was_killed_is_finished_by_a_later_turn(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
    sent_before: int,
) -> None:
    """Killed while sending, between the pages or at their edges: every run is there and sent."""
    for _ in range(5):
        make_task()
    with failing_after(monkeypatch, sent_before, Killed()), pytest.raises(Killed):
        run_turn(session, celery, DAY)
    first = sent(celery)
    assert len(first) == sent_before
    assert run_turn(session, celery, DAY).sent == 0, "the launch belongs to the first one still"

    expire_ownership(session)
    run_turn(session, celery, DAY)

    assert session.scalar(select(func.count()).select_from(TaskResult)) == 5
    assert set(first) | set(sent(celery)) == set(run_ids(session))
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_a_launcher_that_dies_while_it_writes_a_page_has_its_last_batch_sent_again(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page is written while the broker is at the one before, which isn't noted as sent yet."""
    for _ in range(5):
        make_task()
    with without_second_page(monkeypatch, Killed()), pytest.raises(Killed):
        run_turn(session, celery, DAY)
    first = sent(celery)
    assert len(first) == 2, "the first page went out"

    expire_ownership(session)
    run_turn(session, celery, DAY)

    assert sent(celery) == run_ids(session), "and goes out again, with the others"
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 5
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_a_page_that_cannot_be_written_leaves_the_batch_before_it_noted(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It isn't sent again by every turn until the page can be."""
    for _ in range(5):
        make_task()
    error = ValueError("no such thing")
    with without_second_page(monkeypatch, error), pytest.raises(ValueError, match="no such"):
        run_turn(session, celery, DAY)
    first = sent(celery)
    assert len(first) == 2

    run_turn(session, celery, DAY)

    assert first + sent(celery) == run_ids(session)


def test_a_launch_waits_for_the_broker_and_goes_on_at_the_next_turn(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the broker goes away, the launch is given back at once, not after a minute."""
    for _ in range(3):
        make_task()
    with failing_after(monkeypatch, 1, BrokerUnavailable("gone")):
        turn = run_turn(session, celery, DAY)
    assert turn.finished == 0
    assert launch_states(session) == [LaunchState.OPENING]

    turn = run_turn(session, celery, DAY)

    assert turn.finished == 1
    assert set(sent(celery)) == set(run_ids(session))
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 3


def test_a_launcher_that_lost_its_launch_stops(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A launcher that slept past its time changes nothing of the launch that another one took."""
    for _ in range(3):
        make_task()
    other = uuid4()

    def take_over(*arguments: Any, **options: Any) -> Any:
        session.execute(update(Launch).values(owner=other))
        session.commit()
        return original(*arguments, **options)

    original = launches.queue_page
    monkeypatch.setattr(launches, "queue_page", take_over)

    turn = run_turn(session, celery, DAY)

    assert (turn.sent, turn.finished) == (0, 0)
    assert run_ids(session) == []
    assert "was taken over by another launcher" in caplog.text


def test_a_launch_is_closed_when_its_last_run_is_finished(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """The turn after the last result closes the launch."""
    make_task()
    run_turn(session, celery, DAY)
    assert run_turn(session, celery, DAY).closed == 0
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()

    turn = run_turn(session, celery, DAY)

    assert turn.closed == 1
    assert launch_states(session) == [LaunchState.CLOSED]


def manual(session: Session, task_id: int, user_id: int, owner: UUID) -> int:
    """Queue a run of one task by hand and return the launch's id."""
    return launch_by_hand(
        session,
        [task_id],
        requested_by=user_id,
        request_key=uuid4(),
        owner=owner,
        jobs=all_jobs(),
    ).launch_id


def test_what_a_person_started_is_sent_at_once(
    app: Flask,
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    make_user: Callable[..., User],
) -> None:
    """``publish`` of the application sends a person's launch and finishes it."""
    state: State = app.extensions["taskadmin"]
    owner = uuid4()
    launch_id = manual(session, make_task().id, make_user("ana").id, owner)
    assert state.publish is not None

    with app.app_context():
        count = state.publish(launch_id, owner)

    assert count == 1
    assert sent(celery) == run_ids(session)
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_what_a_person_started_without_a_broker_is_sent_by_the_launcher(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    make_user: Callable[..., User],
) -> None:
    """A launch that the page had to give back is taken by the next turn, disabled task or not."""
    task, owner = make_task(enabled=False), uuid4()
    launch_id = manual(session, task.id, make_user("ana").id, owner)
    launches.release(session, launch_id, owner)

    run_turn(session, celery, DAY)

    assert sent(celery) == run_ids(session)
    assert launch_states(session)[0] == LaunchState.PUBLISHED


def test_a_run_of_a_job_that_only_workers_know_is_sent(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """The launcher may be older or newer than the workers: it doesn't judge what is queued."""
    make_task()
    launch_id = launches.open_slot(session, DAY.launch_interval_seconds)
    assert launch_id is not None
    owner = uuid4()
    assert launches.take(session, launch_id, owner)
    launches.queue_page(session, launch_id, owner, page_size=5, jobs=all_jobs())
    session.execute(update(TaskResult).values(job="elsewhere"))
    session.commit()
    launches.release(session, launch_id, owner)

    turn = run_turn(session, celery, DAY)

    assert turn.finished == 1
    assert sent(celery) == run_ids(session)


def test_a_turn_launches_and_sends_what_is_due_by_itself(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """Beside the common slot, however many transactions that takes."""
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
    wanted = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=86400)
    with ledger_transaction(session):
        put_schedule(session, task_id, wanted, moment=moment, slot_interval_s=300)
        session.execute(
            update(TaskSchedule)
            .where(TaskSchedule.task_id == task_id)
            .values(next_due=moment - timedelta(seconds=1))
        )
