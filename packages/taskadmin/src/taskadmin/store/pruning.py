"""What is too old or too much goes away, in small transactions that hold nobody up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from ..models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    RunProgress,
    Task,
    TaskResult,
)
from .clock import now
from .transaction import end_reading, ledger_transaction

#: Results deleted in one transaction.
BATCH = 5_000
#: Tasks looked at for having too many results before it is noted how far that is.
TASKS = 200


def prune_old(session: Session, *, older_than: timedelta) -> int:
    """Delete results of the oldest launch that was closed longer ago than that, or the launch itself.

    A launch goes when its last result has gone; its slot is never opened again, whatever
    the clock says. Returns the number of rows deleted; 0 means that nothing is old.
    """
    cutoff = now(session) - older_than
    launch = session.execute(
        select(Launch.id, Launch.slot)
        .where(Launch.closed_at < cutoff)
        .order_by(Launch.closed_at)
        .limit(1)
    ).one_or_none()
    end_reading(session)
    if launch is None:
        return _prune_missed(session, cutoff)
    with ledger_transaction(session):
        deleted = _delete_results(session, TaskResult.launch_id == launch.id)
        if deleted:
            return deleted
        if launch.slot is not None:
            _raise_pruned_before(session, launch.slot)
        session.execute(
            delete(Launch).where(Launch.id == launch.id),
            execution_options={"synchronize_session": False},
        )
    return 1


def _prune_missed(session: Session, cutoff: Any) -> int:
    old = (
        Launch.kind == LaunchKind.SLOT,
        Launch.slot < cutoff,
        Launch.state == LaunchState.MISSED,
    )
    slots = session.scalars(
        select(Launch.slot).where(*old).order_by(Launch.slot).limit(BATCH)
    ).all()
    end_reading(session)
    if not slots:
        return 0
    with ledger_transaction(session):
        _raise_pruned_before(session, slots[-1])
        done: CursorResult[Any] = session.execute(
            delete(Launch).where(*old, Launch.slot <= slots[-1]),
            execution_options={"synchronize_session": False},
        )  # type: ignore[assignment]
    return done.rowcount


def _raise_pruned_before(session: Session, slot: Any) -> None:
    session.execute(
        update(LedgerState)
        .where(
            LedgerState.id == 1,
            (LedgerState.pruned_before < slot) | LedgerState.pruned_before.is_(None),
        )
        .values(pruned_before=slot),
        execution_options={"synchronize_session": False},
    )


def prune_per_task(session: Session, *, keep: int) -> tuple[int, bool]:
    """Delete the oldest finished results of the next tasks that have more than *keep*.

    Returns how many were deleted and whether every task has been looked at; then the
    search begins anew.
    """
    after = session.execute(
        select(LedgerState.pruned_task_id).where(LedgerState.id == 1)
    ).scalar_one()
    ids = session.scalars(
        select(Task.id).where(Task.id > after).order_by(Task.id).limit(TASKS)
    ).all()
    end_reading(session)
    deleted = 0
    for task_id in ids:
        while batch := _prune_task(session, task_id, keep):
            deleted += batch
            if deleted >= BATCH:
                return deleted, False
    with ledger_transaction(session):
        session.execute(
            update(LedgerState)
            .where(LedgerState.id == 1, LedgerState.pruned_task_id == after)
            .values(pruned_task_id=ids[-1] if len(ids) == TASKS else 0),
            execution_options={"synchronize_session": False},
        )
    return deleted, len(ids) < TASKS


def _prune_task(session: Session, task_id: int, keep: int) -> int:
    # Looked up once for the task, in its index.
    newest_to_go = session.execute(
        select(TaskResult.due_at)
        .where(TaskResult.task_id == task_id)
        .order_by(TaskResult.due_at.desc())
        .offset(keep)
        .limit(1)
    ).scalar()
    end_reading(session)
    if newest_to_go is None:
        return 0
    open_launch = (
        select(Launch.id)
        .where(Launch.id == TaskResult.launch_id, Launch.closed_at.is_(None))
        .exists()
    )
    with ledger_transaction(session):
        return _delete_results(
            session,
            TaskResult.task_id == task_id,
            TaskResult.due_at <= newest_to_go,
            TaskResult.finished_at.is_not(None),
            ~open_launch,
        )


def prune_deleted(session: Session) -> int:
    """Remove results of one deleted task, or the task itself; 0 means that nothing is left."""
    task_id = session.execute(
        select(Task.id).where(Task.deleted_at.is_not(None)).order_by(Task.deleted_at).limit(1)
    ).scalar()
    end_reading(session)
    if task_id is None:
        return 0
    with ledger_transaction(session):
        deleted = _delete_results(session, TaskResult.task_id == task_id)
        if not deleted:
            session.execute(
                delete(Task).where(Task.id == task_id),
                execution_options={"synchronize_session": False},
            )
    return deleted or 1


def _delete_results(session: Session, *which: Any) -> int:
    # Locked in order of their ids, as everybody does, so that no two wait for each other.
    chosen = session.scalars(
        select(TaskResult.id).where(*which).order_by(TaskResult.id).limit(BATCH).with_for_update()
    ).all()
    if not chosen:
        return 0
    session.execute(
        delete(RunProgress).where(RunProgress.result_id.in_(chosen)),
        execution_options={"synchronize_session": False},
    )
    done: CursorResult[Any] = session.execute(
        delete(TaskResult).where(TaskResult.id.in_(chosen)),
        execution_options={"synchronize_session": False},
    )  # type: ignore[assignment]
    return done.rowcount
