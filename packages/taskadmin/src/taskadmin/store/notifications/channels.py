"""Create, change and delete channels and their rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from ...jobs.arguments.masking import DOTS
from ...models import (
    GLOBAL_EVENTS,
    EventNotice,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    RunState,
    Task,
    TaskResult,
)
from ..database.clock import now
from ..database.transaction import ledger_transaction
from ..people.audit import Actor, difference, record, subject_of
from ..runs.lists import for_lists
from ..tasks.tasks import mark_tasks_deleted
from .sending import delivery_task

#: Columns that people choose; addresses and keys are secrets.
SHOWN = ("name", "kind", "gather_seconds", "quiet_from", "quiet_until", "zone")
_SECRETS = ("address", "signing_key")


def list_channels(session: Session) -> Sequence[NotificationChannel]:
    """Return all channels by name."""
    return session.scalars(select(NotificationChannel).order_by(NotificationChannel.name)).all()


def failing_channels(session: Session) -> Sequence[tuple[str, int]]:
    """Return name and task of the channels whose last finished delivery failed; one query."""
    last = (
        select(TaskResult.state)
        .where(
            TaskResult.task_id == NotificationChannel.task_id,
            TaskResult.state.in_([RunState.SUCCEEDED, RunState.FAILED]),
        )
        .order_by(TaskResult.due_at.desc())
        .limit(1)
        .correlate(NotificationChannel)
        .scalar_subquery()
    )
    rows = session.execute(
        select(NotificationChannel.name, NotificationChannel.task_id)
        .where(last == RunState.FAILED)
        .order_by(NotificationChannel.name)
    )
    return [(name, task_id or 0) for name, task_id in rows]


def find_channel(session: Session, channel_id: int) -> NotificationChannel | None:
    """Return a channel; None if there is none."""
    return session.get(NotificationChannel, channel_id)


def list_rules(
    session: Session, of_task: Task | None = None
) -> Sequence[tuple[NotificationRule, NotificationChannel, Task | None]]:
    """Return all rules with their channels and tasks, by channel; those of deleted tasks aren't.

    Args:
        of_task: Return only those that apply to it: its own, its job's, and those of all tasks.
    """
    rule = NotificationRule
    query = (
        select(rule, NotificationChannel, Task)
        .join(NotificationChannel, NotificationChannel.id == rule.channel_id)
        .outerjoin(Task, Task.id == rule.task_id)
        .where(Task.deleted_at.is_(None))
        .order_by(NotificationChannel.name, rule.id)
    )
    if of_task is not None:
        of_all = and_(rule.task_id.is_(None), rule.job.is_(None), rule.event.not_in(GLOBAL_EVENTS))
        query = query.where(or_(rule.task_id == of_task.id, rule.job == of_task.job, of_all))
    return [(one, channel, task) for one, channel, task in session.execute(query)]


def newest_deliveries(
    session: Session, found: Collection[NotificationChannel], *, limit: int
) -> Sequence[TaskResult]:
    """Return the newest runs that deliver messages of these channels, newest first."""
    return session.scalars(
        select(TaskResult)
        .where(TaskResult.task_id.in_([one.task_id for one in found]))
        .order_by(TaskResult.due_at.desc())
        .limit(limit)
        .options(*for_lists())
    ).all()


def put_channel(
    session: Session, channel: NotificationChannel | None, values: Mapping[str, Any], actor: Actor
) -> NotificationChannel:
    """Add a channel, or change one, and commit.

    Args:
        values: Columns by name; secrets are encrypted, and those that stay are left out.
    """
    with ledger_transaction(session):
        before = {} if channel is None else _definition(channel)
        action = "created" if channel is None else "changed"
        if channel is None:
            channel = NotificationChannel(read_upto=now(session))
            session.add(channel)
        for name, value in values.items():
            setattr(channel, name, value)
        session.flush()
        task = delivery_task(session, channel)
        task.name = f"Messages to {channel.name}"
        old, new = difference(before, _definition(channel))
        # A secret that is replaced looks the same.
        new |= {name: DOTS for name in _SECRETS if values.get(name)}
        if new:
            record(session, actor, action, subject_of(channel), before=old, after=new)
    return channel


def delete_channel(session: Session, channel: NotificationChannel, *, actor: Actor) -> None:
    """Delete a channel with its rules, notices and deliveries, and commit."""
    with ledger_transaction(session):
        record(session, actor, "deleted", subject_of(channel), before=_definition(channel))
        task_id = channel.task_id
        for model in (NotificationRule, EventNotice):
            session.execute(
                delete(model).where(model.channel_id == channel.id),
                execution_options={"synchronize_session": False},
            )
        session.delete(channel)
        session.flush()
        if task_id is not None:
            mark_tasks_deleted(session, [task_id])


def add_rule(
    session: Session,
    channel: NotificationChannel,
    event: NotifiedEvent,
    *,
    number: int | None,
    job: str | None,
    task_id: int | None,
    actor: Actor,
) -> NotificationRule:
    """Add a rule, unless the channel has an equal one, and commit; return it."""
    with ledger_transaction(session):
        rule = NotificationRule(
            channel_id=channel.id, event=event, number=number, job=job, task_id=task_id
        )
        same = session.scalar(
            select(NotificationRule)
            .where(
                NotificationRule.channel_id == channel.id,
                NotificationRule.event == event,
                NotificationRule.number.is_not_distinct_from(number),
                NotificationRule.job.is_not_distinct_from(job),
                NotificationRule.task_id.is_not_distinct_from(task_id),
            )
            .limit(1)
        )
        if same is not None:
            return same
        session.add(rule)
        session.flush()
        record(session, actor, "changed", subject_of(channel), after={"rule": _words(rule)})
    return rule


def delete_rule(session: Session, rule: NotificationRule, *, actor: Actor) -> None:
    """Delete a rule, and commit."""
    with ledger_transaction(session):
        channel = session.get_one(NotificationChannel, rule.channel_id)
        before = {"rule": _words(rule)}
        session.execute(
            delete(NotificationRule).where(NotificationRule.id == rule.id),
            execution_options={"synchronize_session": False},
        )
        record(session, actor, "changed", subject_of(channel), before=before)


def _words(rule: NotificationRule) -> str:
    scope = f"task {rule.task_id}" if rule.task_id else f"job {rule.job}" if rule.job else "all"
    return f"{rule.event} {rule.number or ''} ({scope})".replace("  ", " ")


def _definition(channel: NotificationChannel) -> dict[str, object]:
    shown = {name: getattr(channel, name) for name in SHOWN}
    return shown | {name: DOTS for name in _SECRETS if getattr(channel, name)}


def restored_task(session: Session, channel: NotificationChannel) -> int:
    """Return the id of the task that delivers a channel's messages, made again if it was deleted."""
    with ledger_transaction(session):
        return delivery_task(session, channel).id
