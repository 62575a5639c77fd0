"""A channel, and runs of tasks that finished just now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.notifying.notices import AddRun, MakeChannel, Notify, TellRule
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import (
    NOTIFY_JOB,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    RunState,
    Task,
    TaskResult,
)
from taskadmin.notifications.delivery import register_job
from taskadmin.store.database.clock import now
from taskadmin.store.notifications import sending
from taskadmin.store.notifications.sending import SEARCH_INTERVAL


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the job that delivers messages."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    register_job()


@pytest.fixture
def make_channel(session: Session, make_user: MakeUser) -> MakeChannel:
    """Create channels that were last searched a minute ago."""

    def make(name: str = "Ops", **columns: Any) -> NotificationChannel:
        moment = now(session)
        values = {"kind": "webhook", "address": "sealed", "gather_seconds": 0, **columns}
        channel = NotificationChannel(
            name=name,
            read_upto=moment - timedelta(minutes=1),
            created_by=make_user(f"author-{name}").id,
            **values,
        )
        session.add(channel)
        session.commit()
        return channel

    return make


@pytest.fixture
def channel(make_channel: MakeChannel) -> NotificationChannel:
    """A channel that gathers nothing and has no quiet hours."""
    return make_channel()


@pytest.fixture
def tell(session: Session, channel: NotificationChannel) -> TellRule:
    """Add rules of the channel."""

    def add(event: NotifiedEvent, number: int | None = None, **scope: Any) -> NotificationRule:
        rule = NotificationRule(channel_id=channel.id, event=event, number=number, **scope)
        session.add(rule)
        session.commit()
        return rule

    return add


@pytest.fixture
def add_run(session: Session) -> AddRun:
    """Insert runs that finished just now, each due a second after the one before."""
    number = 0

    def add(task: Task, state: RunState = RunState.FAILED, **columns: Any) -> int:
        nonlocal number
        number += 1
        moment = now(session) - timedelta(seconds=1)
        failed = {"error_type": "ValueError", "error": "ValueError: no"}
        values: dict[str, Any] = {
            "launch_id": 0,
            "job": task.job,
            "queue": "taskadmin.runs",
            "task_params": {},
            "queued_at": moment,
            "due_at": moment - timedelta(minutes=1) + timedelta(seconds=number),
            "attempts": 1,
            **(failed if state == RunState.FAILED else {}),
        }
        if state not in (RunState.QUEUED, RunState.RUNNING):
            values |= {"finished_at": moment}
        if state in (RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING):
            values |= {"started_at": values["due_at"]}
        run = TaskResult(task_id=task.id, state=state, **(values | columns))
        session.add(run)
        session.commit()
        return run.id

    return add


@pytest.fixture
def notify(session: Session, channel: NotificationChannel) -> Notify:
    """Search the channel's events as if the last search had been long enough ago."""

    def search() -> int | None:
        last = session.scalar(select(NotificationChannel.read_upto))
        assert isinstance(last, datetime)
        earlier = min(last, now(session) - SEARCH_INTERVAL)
        session.execute(update(NotificationChannel).values(read_upto=earlier))
        session.commit()
        return sending.notify(
            session,
            channel.id,
            owner=uuid4(),
            job=all_jobs()[NOTIFY_JOB],
            site="Shop",
            site_url="https://example.org",
            lease=timedelta(seconds=30),
        )

    return search
