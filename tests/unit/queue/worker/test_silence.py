"""Workers and beat tell people that launchers are silent."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.notifying.notices import keys, messages
from taskadmin.errors import BrokerUnavailable
from taskadmin.jobs import registry
from taskadmin.models import (
    Launch,
    LedgerState,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    ProcessKind,
)
from taskadmin.notifications.delivery import register_job
from taskadmin.queue.worker.heartbeat import Heartbeat
from taskadmin.queue.worker.silence import SilenceWatch
from taskadmin.state import get_state
from taskadmin.store.database.clock import now
from taskadmin.store.notifications import sending
from taskadmin.store.upkeep.processes import ProcessIdentity


@pytest.fixture
def published(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The launches that are published, instead of sending them."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))
    register_job()
    launches: list[int] = []

    def publish(launch_id: int, owner: UUID) -> int:
        launches.append(launch_id)
        return 1

    monkeypatch.setattr(get_state(app), "publish", publish)
    return launches


@pytest.fixture(autouse=True)
def _rule(session: Session, make_user: MakeUser) -> None:
    """A channel is told after 30 seconds; the last turn began two minutes ago."""
    moment = now(session)
    channel = NotificationChannel(
        name="Ops",
        kind="webhook",
        address="sealed",
        gather_seconds=0,
        read_upto=moment - timedelta(minutes=1),
        created_by=make_user("author").id,
    )
    session.add(channel)
    session.flush()
    session.add(NotificationRule(channel_id=channel.id, event=NotifiedEvent.SILENT, number=30))
    session.execute(update(LedgerState).values(ticked_at=moment - timedelta(minutes=2)))
    session.commit()


def watch(app: Flask, *, running_for: float) -> SilenceWatch:
    """Return the watch of a process that began so many seconds ago."""
    found = SilenceWatch(app)
    found._began_at = found._looked_at = time.monotonic() - running_for
    return found


def test_a_worker_tells_of_silent_launchers_once(
    app: Flask, session: Session, published: list[int]
) -> None:
    """It queues the message's run and sends it; another worker tells nothing again."""
    for _ in range(2):
        session.execute(
            update(NotificationChannel).values(read_upto=now(session) - timedelta(minutes=1))
        )
        session.commit()
        watch(app, running_for=60).look()

    assert published == session.scalars(select(Launch.id)).all() and len(published) == 1
    assert [key.partition(":")[0] for key in keys(session)] == ["silent"]
    assert "Beat or the launcher is silent" in messages(session)[0]["title"]


@pytest.mark.parametrize("why", ["turn", "young", "soon", "part", "rule"])
def test_nothing_is_told_without_need(
    app: Flask, session: Session, published: list[int], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a turn, by a process that has just begun or looked, or that nobody asked."""
    if why == "turn":
        session.execute(update(LedgerState).values(ticked_at=now(session)))
    if why == "rule":
        session.execute(update(NotificationRule).values(event=NotifiedEvent.FAILED))
    if why == "part":
        monkeypatch.setattr(registry, "_jobs", {})
    session.commit()
    found = watch(app, running_for=20 if why == "young" else 60)
    if why == "soon":
        found._looked_at = time.monotonic()

    found.look()

    assert published == [] and keys(session) == []


def test_a_message_that_can_not_be_sent_is_left_to_launchers(
    app: Flask, session: Session, published: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its launch belongs to nobody any more."""

    def publish(launch_id: int, owner: UUID) -> int:
        raise BrokerUnavailable("No broker.")

    monkeypatch.setattr(get_state(app), "publish", publish)
    watch(app, running_for=60).look()
    assert session.scalars(select(Launch.owner)).all() == [None]


def test_a_heartbeat_goes_on_if_nobody_can_look(
    app: Flask, published: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as when the role lacks a right."""

    def refused(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("permission denied"))

    monkeypatch.setattr(sending, "channels_of_silence", refused)
    watch(app, running_for=60).look()
    assert published == []


@pytest.mark.databases("sqlite")
def test_the_children_of_a_pool_do_not_look(app: Flask) -> None:
    """Their worker does."""
    watches = [
        Heartbeat(app, ProcessIdentity(kind, "w1@host", "host", 1))._silence is not None
        for kind in ProcessKind
    ]
    assert watches == [kind is not ProcessKind.CHILD for kind in ProcessKind]
