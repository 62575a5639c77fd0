"""Channels and rules in the audit trail, without secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.jobs.arguments.masking import DOTS
from taskadmin.models import (
    AuditEntry,
    EventNotice,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    Task,
    TaskResult,
)
from taskadmin.store.database.clock import now
from taskadmin.store.notifications import channels
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks.tasks import delete_tasks

ADA = Actor(None, "ada", "192.0.2.1")


def put(session: Session, make_user: MakeUser, **values: Any) -> NotificationChannel:
    """Add a channel."""
    columns = {"name": "Ops", "kind": "webhook", "address": "A", "signing_key": "K", "zone": "UTC"}
    author = {"created_by": make_user().id}
    return channels.put_channel(session, None, {**columns, **author, **values}, ADA)


def entries(session: Session) -> list[tuple[str, str, Any, Any]]:
    """Return the entries about channels."""
    rows = select(AuditEntry).where(AuditEntry.subject_kind == "channel").order_by(AuditEntry.id)
    return [(one.action, one.subject, one.before, one.after) for one in session.scalars(rows)]


def test_changes_are_traced_without_secrets(session: Session, make_user: MakeUser) -> None:
    """A new address shows as dots, and only then."""
    channel = put(session, make_user)
    channels.put_channel(session, channel, {"name": "Ops 2", "address": "B"}, ADA)
    channels.put_channel(session, channel, {"name": "Ops 2"}, ADA)

    created, changed = entries(session)
    assert created[0] == "created" and created[3]["address"] == created[3]["signing_key"] == DOTS
    assert changed[:3] == ("changed", "Ops 2", {"name": "Ops"})
    assert changed[3] == {"name": "Ops 2", "address": DOTS}
    assert session.get_one(Task, channel.task_id).name == "Messages to Ops 2"
    assert channels.find_channel(session, channel.id) is channel
    assert channels.list_channels(session) == [channel]


def test_an_equal_rule_is_not_added_again(
    session: Session, make_user: MakeUser, make_task: MakeTask
) -> None:
    """Rules differ by event, number, job and task."""
    channel, task = put(session, make_user), make_task()

    def add(event: NotifiedEvent, **columns: Any) -> int:
        given = {"number": None, "job": None, "task_id": None, **columns}
        return channels.add_rule(session, channel, event, **given, actor=ADA).id

    ids = [
        add(event, **scope)
        for _ in range(2)
        for event in (NotifiedEvent.SLOW, NotifiedEvent.LATE)
        for scope in ({}, {"number": 5}, {"job": "a"}, {"task_id": task.id})
    ]
    assert len(set(ids)) == 8 and ids[:8] == ids[8:]
    assert entries(session)[-1][3] == {"rule": f"late (task {task.id})"}
    assert len(channels.list_rules(session)) == 8
    delete_tasks(session, [task.id])
    assert len(channels.list_rules(session)) == 6

    rule = session.get_one(NotificationRule, ids[0])
    channels.delete_rule(session, rule, actor=ADA)
    assert entries(session)[-1][2] == {"rule": "slow (all)"}


def test_a_deleted_channel_leaves_nothing_but_its_trace(
    session: Session, make_user: MakeUser
) -> None:
    """Rules, notices and deliveries go with it."""
    channel = put(session, make_user)
    task_id = channels.restored_task(session, channel)
    channels.add_rule(
        session, channel, NotifiedEvent.FAILED, number=None, job=None, task_id=None, actor=ADA
    )
    session.add(
        EventNotice(
            channel_id=channel.id, event=NotifiedEvent.FAILED, key="k", noted_at=now(session)
        )
    )
    session.commit()

    channels.delete_channel(session, channel, actor=ADA)

    session.expire_all()
    for model in (NotificationChannel, NotificationRule, EventNotice):
        assert session.scalar(select(func.count()).select_from(model)) == 0
    assert session.get_one(Task, task_id).deleted_at is not None
    assert entries(session)[-1][:2] == ("deleted", "Ops")


def test_channels_whose_last_delivery_failed_are_found(
    session: Session, make_user: MakeUser
) -> None:
    """Until the next one succeeds; open and cancelled ones don't count."""
    channel = put(session, make_user)
    assert channels.failing_channels(session) == []
    task_id, moment = channels.restored_task(session, channel), now(session)
    expected = [("failed", 1), ("queued", 1), ("cancelled", 1), ("succeeded", 0)]
    for number, (state, failing) in enumerate(expected):
        final = state != "queued"
        session.add(
            TaskResult(
                task_id=task_id,
                launch_id=0,
                due_at=moment + timedelta(seconds=number),
                job="send_notification",
                queue="q",
                task_params={},
                state=state,
                queued_at=moment,
                finished_at=moment if final else None,
            )
        )
        session.commit()
        assert channels.failing_channels(session) == [("Ops", task_id)] * failing
