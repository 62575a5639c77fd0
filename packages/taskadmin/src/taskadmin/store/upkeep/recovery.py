"""Queries of the reconciler: runs of gone processes, waiting runs, runs whose message is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select, true, update
from sqlalchemy.orm import Session

from ...models import Launch, LaunchState, Process, RunState, TaskResult
from ..database.clock import database_now, now
from ..database.transaction import end_reading, ledger_transaction
from ..launches.launches import IS_OPEN_LAUNCH
from ..runs import transitions
from ..runs.results import UnsentRun
from ..runs.transitions import lock_free

#: Maximum rows that a rule handles in one turn.
MAX_ROWS_PER_RULE = 1_000
#: Number of confirmed publishes after which a run that no worker claimed is failed.
MAX_PUBLISHES = 10
#: A claim that was executing when its process was marked gone ends within this time.
_LATE_CLAIMS = timedelta(minutes=2)
#: How long a run waits before the next attempt to publish it if its queue is unusable.
PUBLISH_DELAY = timedelta(seconds=10)


class TakenBack(NamedTuple):
    """Number of runs of gone processes that were queued again or failed."""

    queued: int
    failed: int


def take_back(session: Session, *, lost_attempts: int) -> TakenBack:
    """R1: queue running runs of gone processes again, or fail those without attempts left."""
    gone = (Process.gone_at.is_not(None), Process.cleared.is_(False))
    gone_id = session.execute(select(Process.id).where(*gone).limit(1)).scalar()
    end_reading(session)
    if gone_id is None:
        return TakenBack(0, 0)
    with ledger_transaction(session):
        states = transitions.take_back(
            session, limit=MAX_ROWS_PER_RULE, lost_attempts=lost_attempts
        )
        _clear_processes(session, now(session))
    failed = states.count(RunState.FAILED)
    return TakenBack(len(states) - failed, failed)


def _clear_processes(session: Session, moment: datetime) -> None:
    """Mark processes that have no runs left as cleared, so that they aren't checked again."""
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


def waiting_runs(session: Session) -> Sequence[UnsentRun]:
    """Return queued runs whose ``not_before`` has passed: retries, and runs taken back."""
    rows = session.execute(
        select(TaskResult.id, TaskResult.due_at, TaskResult.job, TaskResult.queue)
        .where(
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.QUEUED,
            TaskResult.not_before.is_not(None),
            TaskResult.not_before <= database_now(),
        )
        .order_by(TaskResult.not_before, TaskResult.id)
        .limit(MAX_ROWS_PER_RULE)
    ).all()
    end_reading(session)
    return [UnsentRun(*row) for row in rows]


def postpone(session: Session, run_ids: Collection[int]) -> None:
    """Delay queued runs that can't be published now; ``waiting_runs`` returns them later."""
    if not run_ids:
        return
    with ledger_transaction(session):
        session.execute(
            update(TaskResult)
            .where(
                TaskResult.id.in_(lock_free(session, run_ids)),
                TaskResult.state == RunState.QUEUED,
            )
            .values(not_before=now(session) + PUBLISH_DELAY),
            execution_options={"synchronize_session": False},
        )


def note_sent(session: Session, run_ids: Collection[int]) -> None:
    """Record that these runs were published once more and confirmed."""
    with ledger_transaction(session):
        session.execute(
            update(TaskResult)
            .where(
                TaskResult.id.in_(lock_free(session, run_ids)),
                TaskResult.state == RunState.QUEUED,
                # A published run may have failed since, and wait for its next attempt.
                or_(TaskResult.not_before.is_(None), TaskResult.not_before <= database_now()),
            )
            .values(
                publishes=TaskResult.publishes + 1,
                published_at=database_now(),
                not_before=None,
            ),
            execution_options={"synchronize_session": False},
        )


class RunsToRepublish(NamedTuple):
    """Queued runs that no worker claimed although their queue is empty."""

    #: Published once: losing the message was probably not the run's fault.
    first: Sequence[UnsentRun] = ()
    #: Published again before: each is sent alone, so that a bad run doesn't affect others.
    again: Sequence[UnsentRun] = ()
    #: Published too often for a coincidence.
    given_up: Sequence[int] = ()


def runs_to_republish(
    session: Session,
    queue: str,
    moment: datetime,
    *,
    after: timedelta,
    unclaimed: Mapping[str, timedelta] = MappingProxyType({}),
) -> RunsToRepublish:
    """Return queued runs of completely sent launches whose last publish was long before *moment*.

    A message may be prefetched by a worker, where it is invisible: each publish doubles the wait.

    Args:
        after: Minimum age of the first publish.
        unclaimed: Minimum ages for jobs whose runs stay queued while they are executed, by name.
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
            IS_OPEN_LAUNCH,
            Launch.state == LaunchState.PUBLISHED,
            TaskResult.finished_at.is_(None),
            TaskResult.state == RunState.QUEUED,
            TaskResult.not_before.is_(None),
            TaskResult.queue == queue,
            rule,
        )
        .order_by(TaskResult.id)
        .limit(MAX_ROWS_PER_RULE)
    ).all()
    end_reading(session)
    return RunsToRepublish(
        [UnsentRun(*row[:4]) for row in rows if row.publishes == 0],
        [UnsentRun(*row[:4]) for row in rows if 0 < row.publishes < MAX_PUBLISHES],
        [row.id for row in rows if row.publishes >= MAX_PUBLISHES],
    )


def oldest_publish(session: Session, queue: str) -> datetime | None:
    """Return when the first open launch with a queued run in *queue* was sent, or None."""
    published_at: datetime | None = session.execute(
        select(Launch.published_at)
        .where(
            IS_OPEN_LAUNCH,
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
    return published_at


def give_up(session: Session, run_ids: Iterable[int]) -> int:
    """Fail queued runs that no worker ever claimed."""
    error = (
        f"It was sent {MAX_PUBLISHES + 1} times, and every worker that received it died before"
        " claiming it: see the workers' logs."
    )
    return transitions.give_up(session, run_ids, error=error)
