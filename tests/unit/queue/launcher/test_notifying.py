"""A turn looks for events, and sends their messages itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser
from services.ledger.turns import DAY, make_turn
from taskadmin.models import EventNotice, NotificationChannel, NotifiedEvent, TaskResult
from taskadmin.notifications.delivery import register_job
from taskadmin.queue.launcher.notifying import notify
from taskadmin.store.database.clock import now


def add_channel(session: Session, make_user: MakeUser, name: str, zone: str = "UTC") -> None:
    """Add a channel with a notice."""
    moment = now(session)
    channel = NotificationChannel(
        name=name,
        kind="webhook",
        address="sealed",
        gather_seconds=0,
        quiet_from="24:00",
        quiet_until="25:00",
        zone=zone,
        read_upto=moment - timedelta(minutes=1),
        created_by=make_user(name).id,
    )
    session.add(channel)
    session.flush()
    session.add(
        EventNotice(channel_id=channel.id, event=NotifiedEvent.FAILED, key="k", noted_at=moment)
    )
    session.commit()


def test_messages_are_launched_by_this_turn(session: Session, make_user: MakeUser) -> None:
    """An error with one channel doesn't stop the others."""
    register_job()
    add_channel(session, make_user, "broken", zone="Nowhere/Nothing")
    add_channel(session, make_user, "fine")
    turn = make_turn(session, DAY)

    notify(turn)

    assert len(turn.launch_ids) == 1
    assert session.scalars(select(TaskResult.launch_id)).all() == turn.launch_ids
    with pytest.raises(Exception, match="Nowhere"):
        turn.errors.raise_first()


def test_without_notifications_nothing_is_queried(
    session: Session, make_user: MakeUser, count_queries: CountQueries
) -> None:
    """Nor with them, if there is no time left."""
    add_channel(session, make_user, "fine")
    with count_queries() as statements:
        notify(make_turn(session, DAY))
    assert [one for one in statements if "channel" in one] == []

    register_job()
    turn = make_turn(session, DAY, lambda: False)
    notify(turn)
    assert turn.launch_ids == []
