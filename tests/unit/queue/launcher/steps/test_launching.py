"""Launches continue after their launcher is killed, or loses the broker or the launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services.ledger.messages import sent
from services.ledger.turns import DAY, launch_states, run_ids
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import Launch, LaunchState, Task, TaskResult
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.store.launches import launches


@contextmanager
def failing_after(
    monkeypatch: pytest.MonkeyPatch, runs: int, error: BaseException
) -> Iterator[None]:
    """Let the publisher raise *error* after this many runs."""
    left = runs
    publish = Publisher._publish

    def stop(self: Publisher, message: Any) -> None:
        nonlocal left
        if not left:
            raise error
        left -= 1
        publish(self, message)

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "_publish", stop)
        yield


@contextmanager
def without_second_page(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Iterator[None]:
    """Let the launcher raise *error* at the second page."""
    original = launches.queue_page
    pages = 0

    def queue_page(*arguments: Any, **options: Any) -> launches.QueuedPage:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise error
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(launches, "queue_page", queue_page)
        yield


class Killed(BaseException):
    """Simulates SIGKILL."""


def expire_ownership(session: Session) -> None:
    """Let all launchers look as if they were killed a minute ago."""
    session.execute(update(Launch).values(owner_until=Launch.opened_at))
    session.commit()


@pytest.mark.parametrize("sent_before", [0, 1, 3])
def test_a_launch_whose_launcher_was_killed_is_finished_by_a_later_turn(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
    sent_before: int,
) -> None:
    """Killed anywhere between pages or while sending: every run is queued and sent."""
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


@pytest.mark.parametrize(
    ("error", "again"),
    [
        # It isn't recorded that the broker has it.
        (Killed(), True),
        # Turns don't send it again until the page can be written.
        (ValueError("no such thing"), False),
    ],
    ids=["killed", "failed"],
)
def test_a_page_that_is_not_written_leaves_the_batch_before_it(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    again: bool,
) -> None:
    """A batch that may not be recorded as sent is sent again."""
    for _ in range(5):
        make_task()
    with without_second_page(monkeypatch, error), pytest.raises(type(error)):
        run_turn(session, celery, DAY)
    first = sent(celery)
    assert len(first) == 2, "the first page went out"

    expire_ownership(session)
    run_turn(session, celery, DAY)

    assert ([] if again else first) + sent(celery) == run_ids(session)
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 5
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_a_launch_continues_when_the_broker_is_back(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the broker becomes unreachable, the launch is released at once."""
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
    """A launcher whose ownership has expired changes nothing."""
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
