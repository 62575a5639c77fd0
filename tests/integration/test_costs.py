"""What a launch costs on the wire: counted, because a count is the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import amqp.transport  # type: ignore[import-untyped]
import psycopg
import pytest
from celery import Celery
from kombu import Connection
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.queue.configuration import DEFAULTS, add_queues_and_schedule
from taskadmin.queue.launcher import run_turn
from taskadmin.queue.names import RUNS_QUEUE
from taskadmin.queue.publisher import _declared
from taskadmin.settings import Settings

pytestmark = pytest.mark.databases("postgresql")

SETTINGS = Settings(launch_interval_seconds=86400)
NUMBER = 1_000


@contextmanager
def counted(patch: pytest.MonkeyPatch, owner: type[Any], method: str) -> Iterator[list[None]]:
    """Collects an item for each call of a method."""
    calls: list[None] = []
    original = getattr(owner, method)

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return original(*arguments, **options)

    with patch.context() as patched:
        patched.setattr(owner, method, call)
        yield calls


@pytest.mark.parametrize(("runs_per_message", "messages"), [(1, NUMBER), (250, 4)])
def test_what_a_thousand_runs_cost_the_launcher(
    session: Session,
    make_user: MakeUser,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
    runs_per_message: int,
    messages: int,
) -> None:
    """Messages, writes to the broker and round trips to the database of one launch."""
    row = {"lower_limit": 0, "upper_limit": 1, "params": {}, "created_by": make_user("chief").id}
    session.execute(insert(Task), [row] * NUMBER)
    session.commit()
    settings = replace(SETTINGS, runs_per_message=runs_per_message)
    _declared.clear()  # as in a new process
    celery = Celery("test", set_as_current=False, broker=broker_url)
    celery.config_from_object({**DEFAULTS, "broker_url": broker_url})
    add_queues_and_schedule(celery, settings)

    with (
        counted(monkeypatch, psycopg.Connection, "wait") as round_trips,
        counted(monkeypatch, amqp.transport._AbstractTransport, "write") as writes,
    ):
        turn = run_turn(session, celery, settings)

    assert turn.sent == NUMBER
    queued = session.scalar(select(func.count()).where(TaskResult.state == RunState.QUEUED))
    assert queued == NUMBER
    with Connection(broker_url) as connection:
        declared = connection.default_channel.queue_declare(RUNS_QUEUE, passive=True)
    assert declared.message_count == messages
    # Nearly all of a turn's own, which one that launches nothing takes, too.
    assert len(round_trips) <= 220
    assert len(writes) <= 30
