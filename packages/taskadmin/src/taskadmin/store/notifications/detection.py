"""Find events that a channel's rules name, and note each once.

Recent rows are read again each time, and a notice's key is unique: a run that was committed late is
found, and one that was found before isn't noted again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session, aliased

from ...models import (
    AuditEntry,
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    NotificationRule,
    NotifiedEvent,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
    UtcDateTime,
)
from ...schedules import ScheduleKind
from ..database.clock import seconds_between
from ..people.audit import TASKADMIN
from ..reports.dashboard import readers
from ..reports.process_pages import open_runs
from .search import EventSearch, add_notice, key_of

#: Read again each time, for rows that were committed late.
READ_AGAIN = timedelta(minutes=3)
#: Default numbers of rules, in seconds; ``SLOW`` has none.
DEFAULT_SECONDS = {
    NotifiedEvent.LATE: 300,
    NotifiedEvent.NO_CONSUMER: 60,
    NotifiedEvent.SILENT: 60,
}
#: A run is slow after so many times the mean of the task's last successful runs, and a second.
SLOW_FACTOR, SLOW_SECONDS, _AVERAGED_RUNS = 3.0, 1.0, 10
#: Number of the oldest open runs to search for late and slow ones.
_OLDEST_OPEN = 5_000


def note_events(
    session: Session,
    channel_id: int,
    rules: Sequence[NotificationRule],
    *,
    read_upto: datetime,
    upto: datetime,
    moment: datetime,
    lease: timedelta,
) -> None:
    """Note the events of a channel, inside the transaction that locked it.

    Args:
        read_upto: Events up to this time were searched before.
        upto: Search up to this time.
        moment: The database's time.
        lease: Time after which a process without heartbeats consumes nothing.
    """
    alike: dict[tuple[NotifiedEvent, int | None], list[NotificationRule]] = defaultdict(list)
    for rule in rules:
        alike[NotifiedEvent(rule.event), rule.number].append(rule)
    for (event, number), same in alike.items():
        search = _SEARCHES.get(event)
        if search is not None:
            search(
                EventSearch(
                    session=session,
                    channel_id=channel_id,
                    event=event,
                    number=number,
                    rules=same,
                    since=read_upto - READ_AGAIN,
                    upto=upto,
                    moment=moment,
                    alive_since=moment - lease,
                )
            )


def _earlier(run: Any, *columns: str) -> Select[Any]:
    """Select from the task's earlier runs that succeeded or failed, latest first."""
    other = aliased(TaskResult)
    return (
        select(*(getattr(other, name) for name in columns))
        .where(
            other.task_id == run.task_id,
            other.due_at < run.due_at,
            other.state.in_([RunState.SUCCEEDED, RunState.FAILED]),
        )
        .order_by(other.due_at.desc())
        .correlate(run)
    )


def _failed(search: EventSearch) -> None:
    run = TaskResult
    search.note_run(run, select(run).where(*search.finished(run, RunState.FAILED)))


def _failed_in_a_row(search: EventSearch) -> None:
    """Note the failure that makes a row as long as the number: 1 is the first after a success."""
    run, number = TaskResult, search.number or 1
    before = _earlier(run, "id", "state").offset(number - 1).limit(1).subquery()
    before_id = select(before.c.id).scalar_subquery()
    before_state = select(before.c.state).scalar_subquery()
    conditions = search.finished(run, RunState.FAILED)
    conditions.append(or_(before_state.is_(None), before_state == RunState.SUCCEEDED))
    if number > 1:
        between = _earlier(run, "state").limit(number - 1).subquery()
        failures = select(func.count()).where(between.c.state == RunState.FAILED).scalar_subquery()
        conditions.append(failures == number - 1)
    # The row's key is the success before it: runs that overlap may each seem to complete the row.
    key = key_of(search.event, number, run.task_id, func.coalesce(before_id, 0))
    search.note_run(run, select(run).where(*conditions), key)


def _recovered(search: EventSearch) -> None:
    run = TaskResult
    before = _earlier(run, "state").limit(1).scalar_subquery()
    recovered = [*search.finished(run, RunState.SUCCEEDED), before == RunState.FAILED]
    search.note_run(run, select(run).where(*recovered))


def _late(search: EventSearch) -> None:
    seconds = search.number or DEFAULT_SECONDS[NotifiedEvent.LATE]
    run = TaskResult
    begun = [
        *search.finished(run, RunState.SUCCEEDED, RunState.FAILED),
        run.attempts <= 1,  # started_at is of the last attempt
        seconds_between(run.due_at, run.started_at) > seconds,
    ]
    search.note_run(run, select(run).where(*begun))
    waiting = _oldest_open()
    due = [
        waiting.state == RunState.QUEUED,
        waiting.attempts == 0,
        waiting.due_at < search.moment - timedelta(seconds=seconds),
        or_(waiting.not_before.is_(None), waiting.not_before <= search.moment),
        search.in_scope(waiting.task_id, waiting.job),
    ]
    search.note_run(waiting, select(waiting).where(*due))
    _missed(search)


def _missed(search: EventSearch) -> None:
    """Note due times that no launcher handled: only these skipped runs have an output."""
    run = TaskResult
    skipped = [*search.finished(run, RunState.SKIPPED), run.output.is_not(None)]
    search.note_run(run, select(run).where(*skipped))
    slots = [
        Launch.kind == LaunchKind.SLOT,
        Launch.state == LaunchState.MISSED,
        Launch.opened_at > search.since,
        Launch.opened_at <= search.upto,
    ]
    if search.is_global:
        key = key_of(search.event, "slot", Launch.id)
        search.note(key, select(Launch).where(*slots), subject=cast(Launch.reason, String(200)))
        return
    own = exists().where(TaskSchedule.task_id == Task.id, TaskSchedule.kind != ScheduleKind.SLOT)
    tasks = [Task.enabled, Task.deleted_at.is_(None), ~own, search.in_scope(Task.id, Task.job)]
    of_slots = select(Launch.id).join(Task, true()).where(*slots, *tasks)
    search.note(key_of(search.event, "slot", Launch.id, Task.id), of_slots, task_id=Task.id)


def _oldest_open() -> Any:
    oldest = (
        select(TaskResult)
        .where(TaskResult.finished_at.is_(None))
        .order_by(TaskResult.launch_id, TaskResult.id)
        .limit(_OLDEST_OPEN)
    )
    return aliased(TaskResult, oldest.subquery())


def _slow(search: EventSearch) -> None:
    run, running = TaskResult, _oldest_open()
    done = search.finished(run, RunState.SUCCEEDED, RunState.FAILED)
    took = seconds_between(run.started_at, run.finished_at)
    search.note_run(run, select(run).where(*done, _is_long(run, took, search.number)))
    takes = seconds_between(running.started_at, literal(search.moment, UtcDateTime()))
    underway = [
        running.state == RunState.RUNNING,
        search.in_scope(running.task_id, running.job),
        _is_long(running, takes, search.number),
    ]
    search.note_run(running, select(running).where(*underway))


def _is_long(run: Any, seconds: Any, limit: int | None) -> ColumnElement[bool]:
    if limit is not None:
        return seconds > limit  # type: ignore[no-any-return]
    last = _earlier(run, "started_at", "finished_at", "state").limit(_AVERAGED_RUNS).subquery()
    usual = (
        select(func.avg(seconds_between(last.c.started_at, last.c.finished_at)))
        .where(last.c.state == RunState.SUCCEEDED)
        .scalar_subquery()
    )
    return (seconds > SLOW_SECONDS) & (seconds > SLOW_FACTOR * usual)  # type: ignore[no-any-return]


def _audited(action: str) -> Callable[[EventSearch], None]:
    """Note tasks that taskadmin paused or resumed itself."""

    def search_audit(search: EventSearch) -> None:
        entry = AuditEntry
        rows = (
            select(entry)
            .join(Task, Task.id == entry.subject_id)
            .where(
                entry.at > search.since,
                entry.at <= search.upto,
                entry.action == action,
                entry.subject_kind == "task",
                entry.actor_id.is_(None),
                entry.source == TASKADMIN.source,
                search.in_scope(Task.id, Task.job),
            )
        )
        search.note(key_of(search.event, entry.id), rows, task_id=entry.subject_id)

    return search_audit


def _no_consumer(search: EventSearch) -> None:
    consumed = readers(search.session, since=search.alive_since).queues
    patience = timedelta(seconds=search.number or DEFAULT_SECONDS[NotifiedEvent.NO_CONSUMER])
    for name, queue in open_runs(search.session, moment=search.moment).by_queue.items():
        if queue.ready and name not in consumed and queue.oldest and queue.oldest > patience:
            # The oldest run identifies the outage.
            since = search.moment - queue.oldest
            key = f"{search.event}:{since.isoformat()}:{name}"
            add_notice(search.session, search.channel_id, search.event, key, name, search.moment)


def _silent(search: EventSearch) -> None:
    """Note that no launcher's turn has begun for a while: only workers and beat find this."""
    patience = timedelta(seconds=search.number or DEFAULT_SECONDS[NotifiedEvent.SILENT])
    ticked_at = search.session.scalars(select(LedgerState.ticked_at)).one()
    if ticked_at is not None and ticked_at < search.moment - patience:
        key = f"{search.event}:{ticked_at.isoformat()}"
        subject = f"last turn at {ticked_at:%Y-%m-%d %H:%M:%S} UTC"
        add_notice(search.session, search.channel_id, search.event, key, subject, search.moment)


_SEARCHES: dict[NotifiedEvent, Callable[[EventSearch], None]] = {
    NotifiedEvent.FAILED: _failed,
    NotifiedEvent.FIRST_FAILURE: _failed_in_a_row,
    NotifiedEvent.FAILED_IN_A_ROW: _failed_in_a_row,
    NotifiedEvent.RECOVERED: _recovered,
    NotifiedEvent.LATE: _late,
    NotifiedEvent.SLOW: _slow,
    NotifiedEvent.PAUSED: _audited("paused"),
    NotifiedEvent.RESUMED: _audited("resumed"),
    NotifiedEvent.NO_CONSUMER: _no_consumer,
    NotifiedEvent.SILENT: _silent,
}
