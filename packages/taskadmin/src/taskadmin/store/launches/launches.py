"""Fill launches page by page, and record which of their runs were sent.

A launch belongs to one launcher at a time: ``owner`` is a token that the launcher made for this
turn, and every change of the launch has ``WHERE owner = …``. A launcher that lost its launch
changes no row and stops (``LaunchLost``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from ...jobs import Job
from ...models import (
    GENERATE_RANDOM_NUMBER,
    Launch,
    LaunchState,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
)
from ...values.trace_context import is_used
from ..database.clock import database_now, now
from ..database.dialect import is_one_of, list_of
from ..database.transaction import changed_rows, end_reading, ledger_transaction
from ..runs.results import UnsentRun, can_copy, copy_runs, insert_runs
from ..tasks.pause_reasons import pause_reasons

#: Default timeout of ownership: a launcher that hasn't renewed it for this long is considered gone.
OWNERSHIP = timedelta(seconds=60)
#: Runs sent before the launch's cursor moves: at most this many are sent again after a crash.
MAX_UNRECORDED_RUNS = 2_000
#: The predicate of the index of open launches, verbatim.
IS_OPEN_LAUNCH = and_(Launch.closed_at.is_(None), Launch.state != LaunchState.MISSED)


class LaunchLost(Exception):
    """Another launcher has taken over this launch."""


@dataclass(frozen=True, slots=True)
class QueuedPage:
    """The result of one page of a launch."""

    runs: int
    #: Whether there may be tasks for another page.
    more: bool


class InsertedRuns(NamedTuple):
    """Number of runs that a launch inserted."""

    queued: int
    skipped: int


def take(session: Session, launch_id: int, owner: UUID, ownership: timedelta = OWNERSHIP) -> bool:
    """Make *owner* the owner of an open launch, unless another launcher still is.

    A previous owner that is gone may have sent a batch without recording it, so the runs of that
    batch must be claimed by the workers that receive them.
    """
    with ledger_transaction(session):
        before = session.execute(
            select(Launch.owner, Launch.published_id)
            .where(Launch.id == launch_id, Launch.state == LaunchState.OPENING)
            .with_for_update()
        ).one_or_none()
        moment = now(session)
        done = changed_rows(
            session,
            update(Launch)
            .where(
                Launch.id == launch_id,
                Launch.state == LaunchState.OPENING,
                or_(Launch.owner.is_(None), Launch.owner == owner, Launch.owner_until < moment),
            )
            .values(owner=owner, owner_until=moment + ownership),
        )
        if done and before is not None and before.owner not in (None, owner):
            _count_publish(session, launch_id, before.published_id)
    return done == 1


def _count_publish(session: Session, launch_id: int, after_id: int) -> None:
    batch = (
        select(TaskResult.id)
        .where(
            TaskResult.launch_id == launch_id,
            TaskResult.id > after_id,
            TaskResult.finished_at.is_(None),
        )
        .order_by(TaskResult.id)
        .limit(MAX_UNRECORDED_RUNS)
    )
    session.execute(
        update(TaskResult)
        .where(TaskResult.id.in_(batch), TaskResult.state == RunState.QUEUED)
        .values(publishes=TaskResult.publishes + 1),
        execution_options={"synchronize_session": False},
    )


def queue_page(
    session: Session,
    launch_id: int,
    owner: UUID,
    *,
    page_size: int,
    jobs: Mapping[str, Job],
    ownership: timedelta = OWNERSHIP,
) -> QueuedPage:
    """Insert queued runs for the next tasks and move the cursor, in one transaction.

    Raises:
        LaunchLost: If *owner* no longer owns the launch; nothing was inserted.
    """
    with ledger_transaction(session):
        launch = _locked(session, launch_id, owner)
        page = (
            select(Task.id, Task.job, Task.enabled)
            .where(
                Task.id > launch.after_task_id,
                Task.id <= launch.upto_task_id,
                Task.deleted_at.is_(None),
                ~select(TaskSchedule.task_id).where(TaskSchedule.task_id == Task.id).exists(),
            )
            .order_by(Task.id)
            .limit(page_size)
            # A concurrent deletion would violate the foreign key of the whole page, or miss a run
            # of its task.
            .with_for_update(read=True, key_share=True)
            .subquery()
        )
        tasks = [
            (job, enabled, json.loads(ids))
            for job, enabled, ids in session.execute(
                select(page.c.job, page.c.enabled, list_of(session, page.c.id)).group_by(
                    page.c.job, page.c.enabled
                )
            )
        ]
        if not tasks:
            return QueuedPage(0, more=False)
        assert launch.slot is not None  # only slots have pages of tasks
        last = max(max(ids) for *_, ids in tasks)
        written = _insert(session, tasks, launch_id=launch.id, due_at=launch.slot, jobs=jobs)
        more = last < launch.upto_task_id
        changed_rows(
            session,
            update(Launch)
            .where(Launch.id == launch_id, Launch.owner == owner)
            .values(
                after_task_id=last,
                queued=Launch.queued + written.queued,
                skipped=Launch.skipped + written.skipped,
                owner_until=now(session) + ownership,
            ),
        )
        return QueuedPage(written.queued, more=more)


def _insert(
    session: Session,
    tasks: Sequence[tuple[str, bool, list[int]]],
    *,
    launch_id: int,
    due_at: datetime,
    jobs: Mapping[str, Job],
) -> InsertedRuns:
    """Insert the runs of a page: on the server if nothing has to be checked, or else from here.

    Args:
        tasks: Job, whether enabled, and the ids of the tasks that share both.
    """
    drawing = jobs.get(GENERATE_RANDOM_NUMBER)
    queued = 0
    others: list[int] = []
    for job, enabled, ids in tasks:
        if drawing is not None and job == drawing.name and enabled and can_copy(session):
            queued += copy_runs(session, ids, launch_id=launch_id, due_at=due_at, job=drawing)
        else:
            others += ids
    if not others:
        return InsertedRuns(queued, 0)
    other_tasks = session.scalars(
        select(Task)
        .where(Task.id.in_(others))
        .order_by(Task.id)
        .execution_options(populate_existing=True)
    ).all()
    written = insert_runs(
        session,
        other_tasks,
        launch_id=launch_id,
        due_at=due_at,
        jobs=jobs,
        skipped=pause_reasons(session, [task.id for task in other_tasks if not task.enabled]),
    )
    return InsertedRuns(queued + written.queued, written.skipped)


def unsent_runs(session: Session, launch_id: int, *, limit: int) -> Sequence[UnsentRun]:
    """Return queued runs behind the launch's cursor, ordered by id."""
    cursor = select(Launch.published_id).where(Launch.id == launch_id).scalar_subquery()
    some = (
        select(TaskResult.id, TaskResult.due_at, TaskResult.job, TaskResult.queue)
        .where(
            TaskResult.launch_id == launch_id,
            TaskResult.id > cursor,
            TaskResult.state == RunState.QUEUED,
            # Waiting runs are sent when their time has come.
            TaskResult.not_before.is_(None),
        )
        .order_by(TaskResult.id)
        .limit(limit)
        .subquery()
    )
    common = some.c.due_at, some.c.job, some.c.queue
    rows = session.execute(select(*common, list_of(session, some.c.id)).group_by(*common)).all()
    end_reading(session)
    return sorted(UnsentRun(run_id, *row[:3]) for row in rows for run_id in json.loads(row[3]))


def traces_of(session: Session, runs: Sequence[UnsentRun]) -> dict[int, str]:
    """Return the traceparent of each run's launch, by the run's id; no query without OpenTelemetry."""
    if not runs or not is_used():
        return {}
    rows = session.execute(
        select(TaskResult.id, Launch.traceparent)
        .join(Launch, Launch.id == TaskResult.launch_id)
        .where(
            is_one_of(session, TaskResult.id, [run.id for run in runs]),
            Launch.traceparent.is_not(None),
        )
    ).all()
    end_reading(session)
    return {run_id: traceparent for run_id, traceparent in rows if traceparent is not None}


def mark_sent(
    session: Session,
    launch_id: int,
    owner: UUID,
    last_id: int,
    ownership: timedelta = OWNERSHIP,
) -> None:
    """Record that every run up to *last_id* was sent and confirmed.

    Raises:
        LaunchLost: If *owner* no longer owns the launch.
    """
    with ledger_transaction(session):
        _fenced(
            session,
            launch_id,
            owner,
            published_id=last_id,
            owner_until=now(session) + ownership,
        )


def finish_launch(session: Session, launch_id: int, owner: UUID) -> InsertedRuns:
    """Mark a launch published: all its runs are queued and sent.

    Raises:
        LaunchLost: If *owner* no longer owns the launch.
    """
    with ledger_transaction(session):
        _fenced(
            session,
            launch_id,
            owner,
            state=LaunchState.PUBLISHED,
            published_at=database_now(),
            owner=None,
            owner_until=None,
        )
        counts = session.execute(
            select(Launch.queued, Launch.skipped).where(Launch.id == launch_id)
        ).one()
    return InsertedRuns(*counts)


def release(session: Session, launch_id: int, owner: UUID) -> None:
    """Give up ownership, so that the next turn continues the launch at once."""
    with ledger_transaction(session):
        changed_rows(
            session,
            update(Launch)
            .where(Launch.id == launch_id, Launch.owner == owner)
            .values(owner=None, owner_until=None),
        )


def _locked(session: Session, launch_id: int, owner: UUID) -> Launch:
    launch = session.scalar(
        select(Launch)
        .where(Launch.id == launch_id, Launch.owner == owner, Launch.state == LaunchState.OPENING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if launch is None:
        raise LaunchLost
    return launch


def _fenced(session: Session, launch_id: int, token: UUID, /, **values: object) -> None:
    done = changed_rows(
        session,
        update(Launch)
        .where(Launch.id == launch_id, Launch.owner == token, Launch.state == LaunchState.OPENING)
        .values(**values),
    )
    if done != 1:
        raise LaunchLost
