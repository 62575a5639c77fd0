"""Delete results that are too old or too many, in small transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select, true, update
from sqlalchemy.orm import Session

from ...models import Launch, LaunchKind, LaunchState, LedgerState, RunProgress, Task, TaskResult
from ..database.clock import now
from ..database.dialect import is_one_of
from ..database.transaction import changed_rows, end_reading, ledger_transaction
from ..launches.launches import IS_OPEN_LAUNCH

#: Maximum results deleted in one transaction, and maximum tasks checked together for a surplus.
MAX_RESULTS_PER_TRANSACTION, MAX_TASKS_PER_CHECK = 5_000, 2_000
#: Index entries that may be read per result to delete: reading them costs as much as deleting one.
_MAX_ENTRIES_PER_RESULT = 20
#: Columns of the indexes on the results of launches and of tasks.
_BY_LAUNCH = (TaskResult.launch_id, TaskResult.id)
_BY_TASK = (TaskResult.task_id, TaskResult.due_at)
#: How long surplus results wait for being counted by the minute.
_MAX_UNCOUNTED_AGE = timedelta(hours=1)


def prune_old(
    session: Session, *, older_than: timedelta, batch: int = MAX_RESULTS_PER_TRANSACTION
) -> int:
    """Delete launches closed longer ago than *older_than*, oldest first, with their results.

    A launch is deleted after its last result; its slot is never opened again, whatever the clock
    says. Return the number of deleted rows; 0 if none is old.
    """
    launches = session.execute(
        select(Launch.id, Launch.slot)
        .where(Launch.closed_at < now(session) - older_than)
        .order_by(Launch.closed_at)
        .limit(batch)
    ).all()
    ids = [launch.id for launch in launches]
    deleted = _delete_results_of(session, _BY_LAUNCH, ids, batch)
    if not ids or deleted == batch:
        return deleted
    slots = [launch.slot for launch in launches if launch.slot is not None]
    with ledger_transaction(session):
        if slots:
            _raise_pruned_before(session, max(slots))
        session.execute(
            delete(Launch).where(is_one_of(session, Launch.id, ids)),
            execution_options={"synchronize_session": False},
        )
    return deleted + len(ids)


def prune_missed(
    session: Session, *, older_than: timedelta, batch: int = MAX_RESULTS_PER_TRANSACTION
) -> int:
    """Delete slots that were missed longer ago than *older_than*, oldest first; return how many."""
    old = (
        Launch.kind == LaunchKind.SLOT,
        Launch.slot < now(session) - older_than,
        Launch.state == LaunchState.MISSED,
    )
    slots = session.scalars(
        select(Launch.slot).where(*old).order_by(Launch.slot).limit(batch)
    ).all()
    end_reading(session)
    if not slots:
        return 0
    with ledger_transaction(session):
        _raise_pruned_before(session, slots[-1])
        return changed_rows(
            session,
            delete(Launch).where(*old, Launch.slot <= slots[-1]),
        )


def _raise_pruned_before(session: Session, slot: object) -> None:
    session.execute(
        update(LedgerState)
        .where(
            LedgerState.id == 1,
            (LedgerState.pruned_before < slot) | LedgerState.pruned_before.is_(None),
        )
        .values(pruned_before=slot),
        execution_options={"synchronize_session": False},
    )


def is_under_way(session: Session) -> bool:
    """Whether ``prune_per_task`` is in the middle of the tasks."""
    under_way = _pruned_upto(session) > 0
    end_reading(session)
    return under_way


def prune_per_task(
    session: Session, *, keep: int, batch: int = MAX_RESULTS_PER_TRANSACTION
) -> tuple[int, bool]:
    """Delete the oldest finished results of the next tasks that have more than *keep*.

    Return how many were deleted, and whether the last task was reached; then it starts over.
    The larger *keep* is, the fewer tasks are checked together. Results of the last hour stay until
    they are in the minute counts.
    """
    size = _tasks_at_once(keep, batch)
    after, counted_upto = session.execute(
        select(LedgerState.pruned_task_id, LedgerState.counted_upto).where(LedgerState.id == 1)
    ).one()
    before = now(session) - _MAX_UNCOUNTED_AGE
    if counted_upto is not None:
        before = max(before, counted_upto)
    ids = _tasks_after(session, after, size)
    surplus = _surplus(session, ids, keep=keep, limit=batch, before=before) if ids else []
    end_reading(session)
    # Finished runs stay finished and closed launches stay closed: no need to check again.
    deleted = _delete_results(session, surplus) if surplus else 0
    if len(surplus) == batch:
        return deleted, False  # the same tasks may have more
    at_end = len(ids) < size
    with ledger_transaction(session):
        session.execute(
            update(LedgerState)
            .where(LedgerState.id == 1, LedgerState.pruned_task_id == after)
            .values(pruned_task_id=0 if at_end else ids[-1]),
            execution_options={"synchronize_session": False},
        )
    return deleted, at_end


def surplus_per_task(session: Session, *, keep: int, overdue: timedelta) -> int:
    """Count results that exceeded *keep* at least *overdue* ago, of some tasks.

    At most ``MAX_RESULTS_PER_TRANSACTION`` are counted. Checks the tasks whose turn
    comes next, since they have waited longest, and the tasks of the newest results, since they get
    the most.
    """
    size = _tasks_at_once(keep, MAX_RESULTS_PER_TRANSACTION)
    newest = select(TaskResult.task_id).order_by(TaskResult.id.desc()).limit(size)
    ids = {*_tasks_after(session, _pruned_upto(session), size), *session.scalars(newest)}
    before = now(session) - overdue
    due_before = TaskResult.due_at < before
    return len(
        _surplus(
            session,
            sorted(ids),
            due_before,
            keep=keep,
            limit=MAX_RESULTS_PER_TRANSACTION,
            before=before,
        )
    )


def _tasks_at_once(keep: int, batch: int) -> int:
    return max(1, min(MAX_TASKS_PER_CHECK, _MAX_ENTRIES_PER_RESULT * batch // (keep + 1)))


def _pruned_upto(session: Session) -> int:
    state = select(LedgerState.pruned_task_id).where(LedgerState.id == 1)
    return session.execute(state).scalar_one()


def _tasks_after(session: Session, after: int, limit: int) -> Sequence[int]:
    return session.scalars(
        select(Task.id).where(Task.id > after).order_by(Task.id).limit(limit)
    ).all()


def _surplus(
    session: Session,
    task_ids: Sequence[int],
    *counted: ColumnElement[bool],
    keep: int,
    limit: int,
    before: datetime,
) -> Sequence[int]:
    """Return the results of these tasks that may be deleted.

    Args:
        counted: Conditions on the results that count; all count by default.
        before: Results that finished later stay.
    """

    def of_task(task_id: object) -> Select[int]:
        newest_to_go = (
            select(TaskResult.due_at)
            .where(TaskResult.task_id == task_id, *counted)
            .order_by(TaskResult.due_at.desc())
            .offset(keep)
            .limit(1)
            .correlate(Task)
            .scalar_subquery()
        )
        open_launch = (
            select(Launch.id).where(Launch.id == TaskResult.launch_id, IS_OPEN_LAUNCH).exists()
        )
        return (
            select(TaskResult.id)
            .where(
                TaskResult.task_id == task_id,
                TaskResult.due_at <= newest_to_go,
                TaskResult.finished_at < before,
                ~open_launch,
            )
            .limit(limit)
        )

    if session.get_bind().dialect.name != "postgresql":  # SQLite: no LATERAL, and no round trips
        surplus = (run_id for task_id in task_ids for run_id in session.scalars(of_task(task_id)))
        return list(islice(surplus, limit))
    # Without statistics, a join reads all results: 0.4 s for 2,000 tasks and 1,000,000 results,
    # while LATERAL takes 0.03 s.
    each = of_task(Task.id).lateral()
    return session.scalars(
        select(each.c.id)
        .join_from(Task, each, true())
        .where(is_one_of(session, Task.id, task_ids))
        .limit(limit)
    ).all()


def prune_deleted(session: Session, *, batch: int = MAX_RESULTS_PER_TRANSACTION) -> int:
    """Delete deleted tasks for good with their results, oldest first; return 0 if none is left."""
    ids = session.scalars(
        select(Task.id).where(Task.deleted_at.is_not(None)).order_by(Task.deleted_at).limit(batch)
    ).all()
    deleted = _delete_results_of(session, _BY_TASK, ids, batch)
    if not ids or deleted == batch:
        return deleted
    with ledger_transaction(session):
        session.execute(
            delete(Task).where(is_one_of(session, Task.id, ids)),
            execution_options={"synchronize_session": False},
        )
    return deleted + len(ids)


def _delete_results_of(session: Session, index: Any, ids: Sequence[int], batch: int) -> int:
    """Delete results whose first *index* column is in *ids*; fewer than *batch* means all."""
    if not ids:
        end_reading(session)
        return 0
    result_ids = session.scalars(
        select(TaskResult.id)
        .where(is_one_of(session, index[0], ids))
        # In the index's order: without statistics, PostgreSQL expects enough matches at the start
        # of the table, and reads 1,000,000 results in 2.4 s if 100 tasks have none.
        .order_by(*index)
        .limit(batch)
    ).all()
    end_reading(session)
    if result_ids:
        _delete_results(session, result_ids)
    return len(result_ids)


def _delete_results(session: Session, ids: Sequence[int]) -> int:
    with ledger_transaction(session):
        # Locked in order of their ids like everywhere, so that transactions don't deadlock.
        locked = session.scalars(
            select(TaskResult.id)
            .where(is_one_of(session, TaskResult.id, ids))
            .order_by(TaskResult.id)
            .with_for_update()
        ).all()
        session.execute(
            delete(RunProgress).where(is_one_of(session, RunProgress.run_id, locked)),
            execution_options={"synchronize_session": False},
        )
        return changed_rows(
            session,
            delete(TaskResult).where(is_one_of(session, TaskResult.id, locked)),
        )
