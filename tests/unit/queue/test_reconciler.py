"""Turns that find something broken, on the in-memory broker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import (
    Launch,
    LaunchState,
    LedgerState,
    ProcessEnd,
    ProcessKind,
    RunState,
    TaskResult,
)
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE, launcher
from taskadmin.queue.launcher import Turn, run_turn
from taskadmin.queue.publisher import Publisher
from taskadmin.settings import Settings
from taskadmin.state import State
from taskadmin.store import claims, closing, launches, ledger_state, processes, recovery
from taskadmin.store.clock import now
from taskadmin.store.processes import Identity
from taskadmin.store.tasks import delete_tasks

DAY = Settings(launch_interval_seconds=86400, page_size=2)


@pytest.fixture
def celery(app: Flask) -> Celery:
    """The Celery application of the app under test, its queues empty."""
    state: State = app.extensions["taskadmin"]
    assert state.celery is not None
    with state.celery.connection_for_write() as connection:
        for name in (RUNS_QUEUE, LAUNCH_QUEUE):
            queue = state.celery.amqp.queues[name].bind(connection.default_channel)
            queue.declare()
            queue.purge()
    return state.celery


def messages(celery: Celery, name: str = RUNS_QUEUE) -> list[Any]:
    """Arguments of what is in a queue, which is empty afterwards."""
    found = []
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[name].bind(connection.default_channel)
        while message := queue.get(no_ack=True):
            found.append(message.payload[0])
    return found


def sent(celery: Celery) -> list[int]:
    return [arguments[0] for arguments in messages(celery)]


@pytest.fixture
def turn(session: Session, celery: Celery, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Turn]:
    """Does a turn, to its end however busy the machine is."""
    monkeypatch.setattr(launcher, "TURN_SECONDS", 120.0)

    def do(settings: Settings = DAY) -> Turn:
        done = run_turn(session, celery, settings)
        session.expire_all()
        return done

    return do


def age_launches(session: Session, by: timedelta) -> None:
    session.execute(update(Launch).values(published_at=now(session) - by))
    session.commit()


def run_of(session: Session) -> TaskResult:
    session.expire_all()
    run = session.scalars(select(TaskResult)).one()
    session.expunge(run)
    session.rollback()
    return run


def test_a_lost_message_is_sent_again(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """The queue was purged: it shows no message, and the run is old enough."""
    make_task()
    turn()
    (run_id,) = sent(celery)
    assert turn().republished == 0, "too young to be lost"
    age_launches(session, timedelta(minutes=2))

    assert turn().republished == 1

    assert sent(celery) == [run_id]
    assert run_of(session).publishes == 1
    assert turn().republished == 0, "it was sent just now"
    assert ledger_state.ledger_state(session).republished == 1


def test_a_backlog_is_not_a_loss(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """Its messages wait in the queue, however old the runs are."""
    make_task()
    turn()
    age_launches(session, timedelta(minutes=9))
    assert turn().republished == 0
    assert len(sent(celery)) == 1


def test_runs_of_a_lost_process_go_to_another(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """Taken back in one turn, sent when their short wait is over."""
    make_task()
    turn()
    (run_id,) = sent(celery)
    process_id = processes.register(session, Identity(ProcessKind.CHILD, "w", "host", 1))
    due_at = run_of(session).due_at
    claims.claim(session, run_id, due_at, token=uuid4(), process_id=process_id, worker="w")
    processes.mark_gone(session, process_id, ProcessEnd.LOST, "It was killed.")

    assert turn().taken_back == 1
    session.execute(update(TaskResult).values(not_before=now(session)))
    session.commit()
    assert turn().republished == 1

    assert sent(celery) == [run_id]
    assert run_of(session).not_before is None


def test_nobody_is_taken_for_gone_before_a_lease_was_watched(
    session: Session, turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage of the database everybody looks silent."""
    expired: list[timedelta] = []

    def expire(_: Session, lease: timedelta) -> int:
        expired.append(lease)
        return 0

    monkeypatch.setattr(processes, "expire", expire)
    turn()
    assert expired == []
    long_ago = now(session) - timedelta(days=1)
    session.execute(update(LedgerState).values(watched_from=long_ago))
    session.commit()
    turn()
    assert expired == [timedelta(seconds=DAY.lease_seconds)]


def test_a_run_that_was_sent_too_often_is_given_up(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """And the launch can be closed."""
    make_task()
    turn()
    sent(celery)
    session.execute(update(TaskResult).values(publishes=recovery.MAX_PUBLISHES))
    session.commit()
    age_launches(session, timedelta(hours=16))
    assert turn().given_up == 0, "ten times twice the time limit of 60 s"
    age_launches(session, timedelta(hours=18))
    done = turn()
    assert (done.given_up, done.republished, done.closed) == (1, 0, 1)
    assert run_of(session).error_type == "NeverClaimed"


def test_a_turn_ends_in_time_and_asks_for_the_next(
    session: Session,
    celery: Celery,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The launcher has to answer its broker; the launch goes on at once, not after a tick."""
    for _ in range(5):
        make_task()
    monkeypatch.setattr(launcher, "TURN_SECONDS", -1.0)

    first = turn()

    assert (first.opened, first.sent, first.finished) == (1, 0, 0)
    assert session.scalar(select(Launch.owner)) is None, "given back"
    assert messages(celery, LAUNCH_QUEUE) == [[]]
    monkeypatch.setattr(launcher, "TURN_SECONDS", 30.0)
    assert (turn().finished, len(sent(celery))) == (1, 5)
    assert messages(celery, LAUNCH_QUEUE) == []


def test_a_launcher_that_is_told_to_stop_gives_its_launch_back(
    session: Session, celery: Celery, make_task: MakeTask
) -> None:
    """After the page it is at: another one goes on at once, not when the ownership runs out."""
    for _ in range(5):
        make_task()
    asked = iter([False] * 5 + [True])

    turn = run_turn(session, celery, DAY, stopping=lambda: next(asked, True))

    assert (turn.opened, turn.finished) == (1, 0)
    assert 0 < turn.sent < 5
    session.expire_all()
    assert session.scalar(select(Launch.owner)) is None
    assert run_turn(session, celery, DAY).finished == 1
    assert sorted(sent(celery)) == list(range(1, 6))


def test_a_launch_that_its_launcher_left_is_counted(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """By who goes on with it."""
    make_task()
    launch_id = launches.open_slot(session, DAY.launch_interval_seconds)
    assert launch_id is not None
    launches.take(session, launch_id, uuid4(), timedelta(seconds=-1))
    assert turn().resumed == 1
    assert ledger_state.ledger_state(session).resumed == 1


def test_an_error_in_a_turn_gives_its_launches_back(
    session: Session, turn: Any, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn goes on at once, not when the ownership runs out."""
    make_task()

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(launches, "queue_page", fail)
        with pytest.raises(OperationalError):
            turn()
    assert session.scalar(select(Launch.owner)) is None
    assert turn().finished == 1


def test_an_unexpected_error_of_one_launch_ends_no_other(
    session: Session,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged and raised in the end, its launch given back, the rest done and counted."""
    task = make_task()
    turn()
    session.execute(update(Launch).values(slot=now(session) - timedelta(days=1)))
    session.execute(
        update(TaskResult).values(
            due_at=now(session) - timedelta(days=1), not_before=now(session), publishes=0
        )
    )
    broken = Launch(
        kind="slot",
        slot=now(session) - timedelta(days=2),
        state=LaunchState.OPENING,
        opened_at=now(session),
        upto_task_id=task.id,
    )
    session.add(broken)
    session.commit()
    broken_id, original = broken.id, launches.queue_page

    def fail(session: Session, launch_id: int, *rest: Any, **options: Any) -> Any:
        if launch_id == broken_id:
            raise ValueError("no such thing")
        return original(session, launch_id, *rest, **options)

    monkeypatch.setattr(launches, "queue_page", fail)
    with pytest.raises(ValueError, match="no such thing"):
        turn()

    states = {row.id: row.state for row in session.execute(select(Launch.id, Launch.state))}
    assert states.pop(broken_id) == LaunchState.OPENING
    assert set(states.values()) == {LaunchState.PUBLISHED}
    assert len(states) == 2
    assert session.scalars(select(Launch.owner)).all() == [None, None, None]
    assert ledger_state.ledger_state(session).republished == 1
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.message for record in logged] == [
        f"The launcher could not bring launch {broken_id} forward; it goes on with the rest"
    ]


@pytest.mark.parametrize(
    ("module", "function", "what"),
    [
        (launcher, "record_missed_slots", "record missed slots"),
        (launcher, "take_back_runs", "take runs back from processes that are gone"),
        (recovery, "waiting_runs", "send runs whose wait is over"),
        (recovery, "oldest_sending", "look for lost messages in taskadmin.runs"),
        (closing, "close_finished", "close launches"),
        (launcher, "keep_house", "prune"),
    ],
)
def test_an_unexpected_error_of_one_rule_ends_no_other(
    session: Session,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: Any,
    function: str,
    what: str,
) -> None:
    """The slot is launched all the same."""
    make_task()

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(module, function, fail)
    with pytest.raises(ValueError, match="no such thing"):
        turn()
    assert session.scalars(select(Launch.state)).all() == [LaunchState.PUBLISHED]
    assert f"The launcher could not {what}; it goes on with the rest" in caplog.messages


def test_a_turn_that_is_over_sends_nothing_again(
    session: Session, turn: Any, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is the next turn's."""
    make_task()
    turn()
    session.execute(update(TaskResult).values(not_before=TaskResult.queued_at))
    session.commit()
    with monkeypatch.context() as patch:
        patch.setattr(launcher, "TURN_SECONDS", 0)
        assert turn().republished == 0
    assert turn().republished == 1


def test_without_a_broker_the_rest_of_the_turn_is_done(
    session: Session,
    celery: Celery,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs are taken back, launches closed; only sending waits."""
    make_task()
    turn()
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()

    def fail(*_: Any, **__: Any) -> None:
        raise BrokerUnavailable

    monkeypatch.setattr(Publisher, "send", fail)
    session.execute(update(Launch).values(slot=now(session) - timedelta(days=1)))
    session.commit()
    make_task()

    done = turn()

    assert (done.opened, done.sent, done.closed) == (1, 0, 1)
    assert session.scalars(select(Launch.state).order_by(Launch.id)).all() == [
        LaunchState.CLOSED,
        LaunchState.OPENING,
    ]
    assert session.scalars(select(Launch.owner)).all() == [None, None]


def test_a_deleted_task_is_pruned_by_the_next_turn(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """With its results."""
    task = make_task()
    turn()
    delete_tasks(session, [task.id])
    assert turn().pruned == 2
    assert session.scalars(select(TaskResult.id)).all() == []


@pytest.mark.parametrize(("days", "pruned"), [(30.0, 2), (0, 0)])
def test_old_results_are_pruned_unless_they_are_kept_for_ever(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask, days: float, pruned: int
) -> None:
    """TASKADMIN_RESULT_RETENTION_DAYS; 0 switches it off."""
    make_task()
    turn()
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    long_ago = now(session) - timedelta(days=40)
    session.execute(update(Launch).values(state=LaunchState.CLOSED, closed_at=long_ago))
    session.commit()
    settings = Settings(launch_interval_seconds=86400, result_retention_days=days)
    assert turn(settings).pruned == pruned
