"""Counts of network operations per launch, which are the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import amqp.transport  # type: ignore[import-untyped]
import psycopg
import pytest
from celery import Celery
from kombu import Connection
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.models import GENERATE_RANDOM_NUMBER, LedgerState, RunState, Task, TaskResult
from taskadmin.queue.celery_app.configuration import DEFAULTS, add_queues, add_schedule
from taskadmin.queue.celery_app.queues import RUNS_QUEUE
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.queue.publishing.publisher import _declared
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.runs import durations
from taskadmin.store.runs.durations import Durations

pytestmark = pytest.mark.databases("postgresql")

SETTINGS = Settings(launch_interval_seconds=86400)
NUMBER = 1_000


@contextmanager
def counted(patch: pytest.MonkeyPatch, owner: type[Any], method: str) -> Iterator[list[None]]:
    """Count the calls of a method."""
    calls: list[None] = []
    original = getattr(owner, method)

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return original(*arguments, **options)

    with patch.context() as patched:
        patched.setattr(owner, method, call)
        yield calls


@pytest.mark.parametrize(("seconds", "messages"), [(1.0, NUMBER), (0.002, 4), (None, 50)])
def test_costs_of_launching_a_thousand_runs(
    session: Session,
    make_user: MakeUser,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    messages: int,
) -> None:
    """Messages, writes to the broker and database round trips of one launch."""
    row = {"lower_limit": 0, "upper_limit": 1, "params": {}, "created_by": make_user("chief").id}
    session.execute(insert(Task), [row] * NUMBER)
    # Otherwise, the first turn checks eight days for missed slots.
    session.execute(update(LedgerState).values(counted_upto=now(session)))
    session.commit()
    if seconds is not None:
        taken = Durations().with_run(seconds)
        durations.note_durations(session, {GENERATE_RANDOM_NUMBER: taken})
    _declared.clear()  # as in a new process
    celery = Celery("test", set_as_current=False, broker=broker_url)
    celery.config_from_object({**DEFAULTS, "broker_url": broker_url})
    add_queues(celery)
    add_schedule(celery, SETTINGS)

    with (
        counted(monkeypatch, psycopg.Connection, "wait") as round_trips,
        counted(monkeypatch, amqp.transport._AbstractTransport, "write") as writes,
    ):
        turn = run_turn(session, celery, SETTINGS)

    assert turn.sent == NUMBER
    queued = session.scalar(select(func.count()).where(TaskResult.state == RunState.QUEUED))
    assert queued == NUMBER
    with Connection(broker_url) as connection:
        declared = connection.default_channel.queue_declare(RUNS_QUEUE, passive=True)
    assert declared.message_count == messages
    # Most of them are needed by a turn without a launch, too.
    assert len(round_trips) <= 120
    assert len(writes) <= messages + 60
