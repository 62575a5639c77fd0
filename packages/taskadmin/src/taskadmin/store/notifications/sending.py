"""Look for a channel's events, and queue a run that delivers its message: one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ...jobs import Job
from ...models import (
    NOTIFY_JOB,
    EventNotice,
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    Task,
)
from ...schedules import ScheduleKind
from ..database.clock import now
from ..database.transaction import changed_rows, end_reading, ledger_transaction
from ..launches.launches import OWNERSHIP
from ..launches.manual import RequestedRun, queue_manual_runs
from ..tasks.schedules import ScheduleInput
from ..tasks.tasks import add_task
from .detection import DEFAULT_SECONDS, note_events
from .messages import Composer
from .quiet_hours import are_quiet

#: Time between two searches for events.
SEARCH_INTERVAL = timedelta(seconds=10)
#: Maximum time whose runs are searched at once, after a time without launchers.
MAX_SEARCHED = timedelta(minutes=10)
#: How long notices are kept, and so, how late an event may be found again.
NOTICE_RETENTION = timedelta(days=7)
TEST_MESSAGE = {"title": "Test", "text": "This is a test: messages arrive here."}


def waiting_channels(session: Session) -> Sequence[int]:
    """Return the channels whose events haven't been searched for a while."""
    which = NotificationChannel.read_upto <= now(session) - SEARCH_INTERVAL
    ids = session.scalars(select(NotificationChannel.id).where(which)).all()
    end_reading(session)
    return ids


def channels_of_silence(session: Session, *, watched: timedelta) -> Sequence[int]:
    """Return the channels that have to be told that no launcher's turn has begun for a while.

    Args:
        watched: How long the caller has been running: a site that starts after a night isn't
            silent.
    """
    moment = now(session)
    ticked_at = session.scalars(select(LedgerState.ticked_at)).one_or_none()
    rules = session.execute(
        select(NotificationRule.channel_id, NotificationRule.number).where(
            NotificationRule.event == NotifiedEvent.SILENT
        )
    ).all()
    end_reading(session)
    if ticked_at is None:
        return []
    silence = min(moment - ticked_at, watched)
    default = DEFAULT_SECONDS[NotifiedEvent.SILENT]
    return sorted(
        {rule.channel_id for rule in rules if silence.total_seconds() > (rule.number or default)}
    )


def notify(
    session: Session,
    channel_id: int,
    *,
    owner: UUID,
    job: Job,
    site: str,
    site_url: str | None = None,
    lease: timedelta,
) -> int | None:
    """Note new events of a channel, queue its message if one is due, and commit.

    Notices, message and run are committed together, and only by the launcher that has locked the
    channel: whatever is killed in between, each event is told once.

    Args:
        owner: Owner of the launch, who publishes it.
        job: The job that delivers messages.
        site: Name of the site, for the message.
        site_url: Address of its pages, for the message's links.
        lease: Time after which a process without heartbeats is gone.

    Returns:
        The id of the launch with the message's run; None if no message is due.
    """
    with ledger_transaction(session):
        channel = session.scalar(
            select(NotificationChannel)
            .where(
                NotificationChannel.id == channel_id,
                NotificationChannel.read_upto <= now(session) - SEARCH_INTERVAL,
            )
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if channel is None:
            return None  # another launcher has it
        moment = now(session)
        of_channel = NotificationRule.channel_id == channel_id
        upto = min(moment, channel.read_upto + MAX_SEARCHED)
        note_events(
            session,
            channel_id,
            session.scalars(select(NotificationRule).where(of_channel)).all(),
            read_upto=channel.read_upto,
            upto=upto,
            moment=moment,
            lease=lease,
        )
        channel.read_upto = upto
        return _send(session, channel, moment, owner, job, Composer(session, site, site_url))


def _send(
    session: Session,
    channel: NotificationChannel,
    moment: datetime,
    owner: UUID,
    job: Job,
    composer: Composer,
) -> int | None:
    """Queue a message of all waiting notices, if it is due."""
    waiting = (EventNotice.channel_id == channel.id, EventNotice.delivery_id.is_(None))
    first_at, last_id = session.execute(
        select(func.min(EventNotice.noted_at), func.max(EventNotice.id)).where(*waiting)
    ).one()
    if first_at is None or moment < first_at + timedelta(seconds=channel.gather_seconds):
        return None
    if are_quiet(moment, channel.quiet_from, channel.quiet_until, channel.zone):
        return None
    which = (*waiting, EventNotice.id <= last_id)
    message = composer.compose(*which)
    launch = Launch(
        kind=LaunchKind.DUE,
        state=LaunchState.OPENING,
        owner=owner,
        owner_until=moment + OWNERSHIP,
        opened_at=moment,
    )
    session.add(launch)
    session.flush()
    task = delivery_task(session, channel)
    arguments = {
        "channel": channel.id,
        "title": message.title,
        "text": message.text,
        "details": message.details,
        "author_id": task.created_by,
    }
    run = RequestedRun(task, job, columns={"task_params": arguments})
    written = queue_manual_runs(session, launch, [run], {})
    session.execute(
        update(EventNotice).where(*which).values(delivery_id=written[0].id),
        execution_options={"synchronize_session": False},
    )
    return launch.id


def delivery_task(session: Session, channel: NotificationChannel) -> Task:
    """Return the task whose runs deliver a channel's messages, inside the caller's transaction.

    It has no due times. Its own arguments are a test message. If it was deleted or got another job,
    there is a new one.
    """
    task = None if channel.task_id is None else session.get(Task, channel.task_id)
    if task is None or task.deleted_at is not None or task.job != NOTIFY_JOB:
        # In the past, and so never due.
        never = ScheduleInput(kind=ScheduleKind.ONCE, once_at=now(session) - timedelta(days=1))
        task = add_task(
            session,
            author_id=channel.created_by,
            arguments={"channel": channel.id, **TEST_MESSAGE},
            job=NOTIFY_JOB,
            masked=(),
            name=f"Messages to {channel.name}",
            enabled=True,
            schedule=never,
            slot_interval_seconds=0.0,
            actor=None,
        )
        channel.task_id = task.id
        session.flush()
    return task


def prune_notices(session: Session, *, batch: int) -> int:
    """Delete old notices and return how many; the launcher calls this."""
    with ledger_transaction(session):
        old = EventNotice.noted_at < now(session) - NOTICE_RETENTION
        some = select(EventNotice.id).where(old).limit(batch)
        return changed_rows(session, delete(EventNotice).where(EventNotice.id.in_(some)))
