"""What the reconciler finds: runs of processes that are gone, runs that wait, runs without a message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, and_, bindparam, func, or_, select, true, update
from sqlalchemy.orm import Session

from ..models import Launch, LaunchState, Process, ProcessEnd, RunState, TaskResult
from .clock import database_now, now
from .launches import IS_OPEN
from .outcome import Outcome
from .results import UnsentRun
from .run_updates import LOG_LENGTH, log_entry
from .transaction import end_reading, ledger_transaction

#: Rows that one rule looks at in one turn.
LIMIT = 1_000
#: Confirmed sendings after which a run that no worker ever took is failed.
MAX_PUBLISHES = 10
#: A claim that was under way when its process was taken for gone ends within this time.
_LATE_CLAIMS = timedelta(minutes=2)
#: How long a run waits whose queue can't be used, until it is tried again.
POSTPONED = timedelta(seconds=10)
_MAX_DELAY = timedelta(minutes=5)


class TakenBack(NamedTuple):
    """What became of runs whose processes are gone."""

    queued: int
    failed: int


def take_back(session: Session, *, lost_attempts: int) -> TakenBack:
    """Queue the running runs of processes that are gone again, or fail those that had enough.

    A run that its worker handed back when it stopped isn't charged for the attempt. A run over
    its job's time limit has its job's attempts; one whose process died has *lost_attempts*,
    if its job hasn't more.
    """
    gone = (Process.gone_at.is_not(None), Process.cleared.is_(False))
    found = session.execute(select(Process.id).where(*gone).limit(1)).scalar()
    end_reading(session)
    if found is None:
        return TakenBack(0, 0)
    with ledger_transaction(session):
        rows = session.execute(
            select(
                TaskResult.id,
                TaskResult.attempts,
                TaskResult.max_attempts,
                TaskResult.started_at,
                TaskResult.worker,
                TaskResult.attempt_log,
                Process.ending,
                Process.reason,
            )
            .join(Process, Process.id == TaskResult.process_id)
            .where(
                TaskResult.finished_at.is_(None),
                TaskResult.state == RunState.RUNNING,
                *gone,
            )
            .order_by(TaskResult.id)
            .limit(LIMIT)
            .with_for_update(skip_locked=True, of=TaskResult)
        ).all()
        moment = now(session)
        changes = [_taken_back(row, moment, lost_attempts) for row in rows]
        _update_each(session, changes)
        _clear_processes(session, moment)
    failed = sum(change["state"] == RunState.FAILED for change in changes)
    return TakenBack(len(changes) - failed, failed)


def _taken_back(row: Any, moment: datetime, lost_attempts: int) -> dict[str, Any]:
    change: dict[str, Any] = {
        "run_id": row.id,
        "state": RunState.QUEUED,
        "attempts": row.attempts,
        "not_before": moment,
        "finished_at": None,
        "error_type": None,
        "error": None,
        "attempt_log": row.attempt_log,
    }
    if row.ending == ProcessEnd.STOPPED:
        return change | {"attempts": row.attempts - 1}
    over_time = row.ending == ProcessEnd.TIME_LIMIT
    outcome = Outcome(
        worker=row.worker or "",
        elapsed=moment - (row.started_at or moment),
        error_type="TimeLimitExceeded" if over_time else "WorkerLost",
        error=row.reason or "The process that executed it is gone.",
    )
    entry = log_entry(row.attempts, row.started_at, moment, outcome)
    change["attempt_log"] = [*(row.attempt_log or ()), entry][-LOG_LENGTH:]
    allowed = row.max_attempts if over_time else max(row.max_attempts, lost_attempts)
    if row.attempts < allowed:
        delay = min(timedelta(seconds=0.5) * 2 ** min(row.attempts, 20), _MAX_DELAY)
        return change | {"not_before": moment + delay}
    return change | {
        "state": RunState.FAILED,
        "not_before": None,
        "finished_at": moment,
        "error_type": outcome.error_type,
        "error": f"{outcome.error} Attempt {row.attempts} of {allowed}: it isn't tried again.",
    }


def _clear_processes(session: Session, moment: datetime) -> None:
    """Note of which processes nothing can be left, so that nobody looks any more."""
    running = (
        select(TaskResult.id)
        .where(
            TaskResult.process_id == Process.id,
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.RUNNING,
        )
        .exists()
    )
    session.execute(
        update(Process)
        .where(Process.gone_at < moment - _LATE_CLAIMS, Process.cleared.is_(False), ~running)
        .values(cleared=True),
        execution_options={"synchronize_session": False},
    )


def _update_each(session: Session, changes: Sequence[dict[str, Any]]) -> None:
    if not changes:
        return
    table = TaskResult.__table__
    columns = [name for name in changes[0] if name != "run_id"]
    session.connection().execute(
        update(TaskResult)
        .where(table.c.id == bindparam("run_id"))
        .values(process_id=None, **{name: bindparam(name) for name in columns}),
        list(changes),
    )


def waiting_runs(session: Session) -> Sequence[UnsentRun]:
    """Queued runs whose time to wait is over: after a failed attempt, or taken back."""
    rows = session.execute(
        select(TaskResult.id, TaskResult.due_at, TaskResult.job, TaskResult.queue)
        .where(
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.QUEUED,
            TaskResult.not_before.is_not(None),
            TaskResult.not_before <= database_now(),
        )
        .order_by(TaskResult.not_before)
        .limit(LIMIT)
    ).all()
    end_reading(session)
    return [UnsentRun(*row) for row in rows]


def postpone(session: Session, run_ids: Collection[int]) -> None:
    """Let queued runs that can't be sent now wait a while; they are ``waiting_runs`` then."""
    if not run_ids:
        return
    with ledger_transaction(session):
        _lock(session, TaskResult.id.in_(run_ids))
        session.execute(
            update(TaskResult)
            .where(TaskResult.id.in_(run_ids), TaskResult.state == RunState.QUEUED)
            .values(not_before=now(session) + POSTPONED),
            execution_options={"synchronize_session": False},
        )


def _lock(session: Session, *which: ColumnElement[bool]) -> None:
    """Lock runs in order of their ids, as everybody does, so that no two wait for each other."""
    session.execute(
        select(TaskResult.id).where(*which).order_by(TaskResult.id).with_for_update()
    ).all()


def note_sent(session: Session, run_ids: Collection[int]) -> None:
    """Note that these runs were sent once more, and confirmed; those that wait don't any longer."""
    with ledger_transaction(session):
        _lock(session, TaskResult.id.in_(run_ids))
        session.execute(
            update(TaskResult)
            .where(
                TaskResult.id.in_(run_ids),
                TaskResult.state == RunState.QUEUED,
                # One that was sent may have failed since then, and wait for its next attempt.
                or_(TaskResult.not_before.is_(None), TaskResult.not_before <= database_now()),
            )
            .values(
                publishes=TaskResult.publishes + 1,
                published_at=database_now(),
                not_before=None,
            ),
            execution_options={"synchronize_session": False},
        )


class Unheard(NamedTuple):
    """Queued runs that no worker took, though no message of theirs is waiting."""

    again: Sequence[UnsentRun]
    #: Sent so often that it is no accident.
    given_up: Sequence[int]


def unheard_runs(
    session: Session,
    queue: str,
    moment: datetime,
    *,
    after: timedelta,
    unclaimed: Mapping[str, timedelta] = MappingProxyType({}),
) -> Unheard:
    """Queued runs of launches that were sent whole, and were last sent long before *moment*.

    A message may lie with a worker that hasn't come to it yet, where nothing shows it: each
    sending doubles the time until the next one.

    Args:
        after: How long before, for a run that was sent once.
        unclaimed: The same for jobs whose runs stay queued while they are executed, by name.
    """
    sent_at = func.coalesce(TaskResult.published_at, Launch.published_at)
    rule = or_(
        *(
            and_(
                TaskResult.publishes == number
                if number < MAX_PUBLISHES
                else TaskResult.publishes >= number,
                or_(
                    and_(
                        TaskResult.job.not_in(list(unclaimed)),
                        sent_at < moment - after * 2**number,
                    ),
                    *(
                        and_(TaskResult.job == job, sent_at < moment - wait * 2**number)
                        for job, wait in unclaimed.items()
                    ),
                ),
            )
            for number in range(MAX_PUBLISHES + 1)
        )
    )
    rows = session.execute(
        select(
            TaskResult.id,
            TaskResult.due_at,
            TaskResult.job,
            TaskResult.queue,
            TaskResult.publishes,
        )
        .join(Launch, Launch.id == TaskResult.launch_id)
        .where(
            IS_OPEN,
            Launch.state == LaunchState.PUBLISHED,
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.QUEUED,
            TaskResult.not_before.is_(None),
            TaskResult.queue == queue,
            rule,
        )
        .order_by(TaskResult.id)
        .limit(LIMIT)
    ).all()
    end_reading(session)
    return Unheard(
        [UnsentRun(*row[:4]) for row in rows if row.publishes < MAX_PUBLISHES],
        [row.id for row in rows if row.publishes >= MAX_PUBLISHES],
    )


def oldest_sending(session: Session, queue: str) -> datetime | None:
    """When the longest waiting launch with a queued run in *queue* was sent; None without one."""
    found: datetime | None = session.execute(
        select(Launch.published_at)
        .where(
            IS_OPEN,
            Launch.state == LaunchState.PUBLISHED,
            select(true())
            .where(
                TaskResult.launch_id == Launch.id,
                TaskResult.finished_at.is_(None),
                TaskResult.state == RunState.QUEUED,
                TaskResult.queue == queue,
            )
            .exists(),
        )
        .order_by(Launch.id)
        .limit(1)
    ).scalar()
    end_reading(session)
    return found


def give_up(session: Session, run_ids: Iterable[int]) -> int:
    """Fail queued runs that no worker ever took."""
    ids = list(run_ids)
    if not ids:
        return 0
    with ledger_transaction(session):
        _lock(session, TaskResult.id.in_(ids))
        done: CursorResult[Any] = session.execute(
            update(TaskResult)
            .where(TaskResult.id.in_(ids), TaskResult.state == RunState.QUEUED)
            .values(
                state=RunState.FAILED,
                finished_at=database_now(),
                error_type="NeverClaimed",
                error=(
                    f"It was sent {MAX_PUBLISHES + 1} times, and no worker that got it lived"
                    " to take it: see the workers' logs."
                ),
            ),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount
