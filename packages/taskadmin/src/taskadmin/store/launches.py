"""Launches: opened once for each slot, filled page by page, sent, closed.

A launch belongs to one launcher at a time: ``owner`` is a token that the launcher
made for this turn, and every change of the launch says ``WHERE owner = …``. A
launcher that lost its launch changes 0 rows and stops (``LaunchLost``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import CursorResult, and_, func, literal_column, or_, select, update
from sqlalchemy.orm import Session

from ..jobs import Job
from ..models import (
    GENERATE_RANDOM_NUMBER,
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    RunState,
    Task,
    TaskResult,
    TaskSchedule,
)
from .clock import database_now, now, slot_of
from .dialect import insert_with_conflicts, list_of
from .pause_reasons import reasons_of_pauses
from .results import UnsentRun, can_copy, copy_runs, insert_runs
from .transaction import end_reading, ledger_transaction

#: By default: a launcher that hasn't renewed its claim for this long is taken to be gone.
OWNERSHIP = timedelta(seconds=60)
#: What the index of open launches holds, word for word: a bound parameter would hide it.
IS_OPEN = and_(
    Launch.closed_at.is_(None), Launch.state != literal_column(f"'{LaunchState.MISSED}'")
)


class LaunchLost(Exception):
    """Another launcher has taken over this launch."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of a launch brought."""

    runs: int
    #: Whether tasks may be left for another page.
    more: bool


class Counts(NamedTuple):
    """How many runs a launch wrote."""

    queued: int
    skipped: int


def open_slot(session: Session, interval_seconds: float) -> int | None:
    """Open the slot that is due by the database's clock and return the launch's id.

    None if it was opened before, or so long ago that it may have been pruned.

    However many launchers call this at once, one of them gets the launch.
    """
    moment = now(session)
    slot = slot_of(moment, interval_seconds)
    # The cheap look first: this is called on every tick, and most ticks find nothing to do.
    found = session.execute(
        select(Launch.state).where(Launch.kind == LaunchKind.SLOT, Launch.slot == slot)
    ).scalar()
    pruned_before = session.execute(select(LedgerState.pruned_before)).scalar()
    end_reading(session)
    if found is not None and found != LaunchState.MISSED:
        return None
    if pruned_before is not None and slot <= pruned_before:
        return None  # the clock was set back over what is forgotten
    with ledger_transaction(session):
        values = {
            "kind": LaunchKind.SLOT,
            "slot": slot,
            "interval_s": interval_seconds,
            "state": LaunchState.OPENING,
            "opened_at": moment,
            "after_task_id": 0,
            # Frozen now: tasks that are added while pages are made belong to the next slot.
            "upto_task_id": func.coalesce(select(func.max(Task.id)).scalar_subquery(), 0),
        }
        statement = insert_with_conflicts(session, Launch.__table__).values(values)
        launch_id: int | None = session.execute(
            # A clock that jumped forward and back may have recorded the current slot as missed.
            statement.on_conflict_do_update(
                index_elements=[Launch.slot],
                index_where=Launch.kind == LaunchKind.SLOT.value,
                set_={
                    "state": LaunchState.OPENING.value,
                    "reason": None,
                    "opened_at": moment,
                    "upto_task_id": statement.excluded.upto_task_id,
                },
                where=Launch.state == LaunchState.MISSED.value,
            ).returning(Launch.id)
        ).scalar()
    return launch_id


class OpenLaunch(NamedTuple):
    """A launch that belongs to nobody."""

    id: int
    #: Whether its launcher is gone; otherwise it is new, or was given back.
    abandoned: bool


def resumable(session: Session) -> Sequence[OpenLaunch]:
    """Launches that are open and belong to nobody, oldest first."""
    moment = now(session)
    rows = session.execute(
        select(Launch.id, Launch.owner.is_not(None))
        .where(
            IS_OPEN,
            Launch.state == LaunchState.OPENING,
            or_(Launch.owner.is_(None), Launch.owner_until < moment),
        )
        .order_by(Launch.id)
        .limit(100)
    ).all()
    end_reading(session)
    return [OpenLaunch(*row) for row in rows]


def take(session: Session, launch_id: int, owner: UUID, ownership: timedelta = OWNERSHIP) -> bool:
    """Make *owner* the launcher of an open launch, unless another one still is."""
    with ledger_transaction(session):
        moment = now(session)
        done = _update(
            session,
            update(Launch)
            .where(
                Launch.id == launch_id,
                Launch.state == LaunchState.OPENING,
                or_(Launch.owner.is_(None), Launch.owner == owner, Launch.owner_until < moment),
            )
            .values(owner=owner, owner_until=moment + ownership),
        )
    return done == 1


def queue_page(
    session: Session,
    launch_id: int,
    owner: UUID,
    *,
    page_size: int,
    jobs: Mapping[str, Job],
    ownership: timedelta = OWNERSHIP,
) -> Page:
    """Write the queued runs of the next tasks and move the cursor, in one transaction.

    Raises:
        LaunchLost: If *owner* doesn't own the launch any more; nothing was written.
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
            # A task that is deleted meanwhile would break the whole page's foreign key, or keep
            # a run that its deletion didn't see.
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
            return Page(0, more=False)
        assert launch.slot is not None  # only slots have tasks to page through
        last = max(max(ids) for *_, ids in tasks)
        written = _insert(session, tasks, launch_id=launch.id, due_at=launch.slot, jobs=jobs)
        more = last < launch.upto_task_id
        _update(
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
        return Page(written.queued, more=more)


def _insert(
    session: Session,
    tasks: Sequence[tuple[str, bool, list[int]]],
    *,
    launch_id: int,
    due_at: datetime,
    jobs: Mapping[str, Job],
) -> Counts:
    """Write the runs of a page: by the server where nothing is to be checked, the others here.

    Args:
        tasks: Job, whether they are enabled, and the ids of tasks that have both in common.
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
        return Counts(queued, 0)
    found = session.scalars(
        select(Task)
        .where(Task.id.in_(others))
        .order_by(Task.id)
        .execution_options(populate_existing=True)
    ).all()
    written = insert_runs(
        session,
        found,
        launch_id=launch_id,
        due_at=due_at,
        jobs=jobs,
        skipped=reasons_of_pauses(session, [task.id for task in found if not task.enabled]),
    )
    return Counts(queued + written.queued, written.skipped)


def unsent_runs(session: Session, launch_id: int, *, limit: int) -> Sequence[UnsentRun]:
    """Queued runs behind the launch's cursor, in order of their ids."""
    cursor = select(Launch.published_id).where(Launch.id == launch_id).scalar_subquery()
    some = (
        select(TaskResult.id, TaskResult.due_at, TaskResult.job, TaskResult.queue)
        .where(
            TaskResult.launch_id == launch_id,
            TaskResult.id > cursor,
            TaskResult.state == RunState.QUEUED,
            # Those that wait are sent when their time has come.
            TaskResult.not_before.is_(None),
        )
        .order_by(TaskResult.id)
        .limit(limit)
        .subquery()
    )
    common = some.c.due_at, some.c.job, some.c.queue
    rows = session.execute(select(*common, list_of(session, some.c.id)).group_by(*common)).all()
    end_reading(session)
    return sorted(UnsentRun(id_, *row[:3]) for row in rows for id_ in json.loads(row[3]))


def mark_sent(
    session: Session,
    launch_id: int,
    owner: UUID,
    upto_id: int,
    ownership: timedelta = OWNERSHIP,
) -> None:
    """Note that every run up to *upto_id* was sent and confirmed.

    Raises:
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    with ledger_transaction(session):
        _fenced(
            session,
            launch_id,
            owner,
            published_id=upto_id,
            owner_until=now(session) + ownership,
        )


def finish_launch(session: Session, launch_id: int, owner: UUID) -> Counts:
    """Mark a launch published: all its runs are queued and sent.

    Raises:
        LaunchLost: If *owner* doesn't own the launch any more.
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
    return Counts(*counts)


def release(session: Session, launch_id: int, owner: UUID) -> None:
    """Give a launch back, so that the next tick goes on with it at once."""
    with ledger_transaction(session):
        _update(
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


def _fenced(session: Session, launch_id: int, me: UUID, /, **values: Any) -> None:
    done = _update(
        session,
        update(Launch)
        .where(Launch.id == launch_id, Launch.owner == me, Launch.state == LaunchState.OPENING)
        .values(**values),
    )
    if done != 1:
        raise LaunchLost


def _update(session: Session, statement: Any) -> int:
    done: CursorResult[Any] = session.execute(
        statement, execution_options={"synchronize_session": False}
    )  # type: ignore[assignment]
    return done.rowcount
