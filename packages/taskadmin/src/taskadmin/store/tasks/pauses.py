"""Pause and resume tasks: by people with a note, or by taskadmin after failures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, joinedload

from ...models import RunState, Task, TaskPause, TaskResult, TaskSchedule
from ...values.storable import escaped_text
from ..database.clock import database_now, now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import end_reading, ledger_transaction
from ..people.audit import TASKADMIN, Actor, Change, difference, record_many, subject_of

#: Maximum length of a note, in characters.
NOTE_LENGTH = 500
#: Maximum tasks that one launcher's turn resumes.
_RESUMED_AT_ONCE = 1_000


def pause_tasks(
    session: Session,
    task_ids: Collection[int],
    *,
    actor: Actor,
    note: str | None = None,
    resume_at: datetime | None = None,
) -> int:
    """Pause tasks and return how many; a task that is already paused gets the new note.

    Queued and running runs continue; the launcher records later due times as skipped.

    Args:
        resume_at: When the launcher resumes them; None if only people do.
    """
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(task_ids))
        put_pause(session, tasks, actor=actor, note=note, resume_at=resume_at)
    return len(tasks)


def resume_tasks(session: Session, task_ids: Collection[int], *, actor: Actor) -> int:
    """Resume paused tasks and return how many."""
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(task_ids) & Task.enabled.is_(False))
        end_pause(session, tasks, actor=actor)
    return len(tasks)


def resume_due(session: Session) -> int:
    """Resume tasks whose ``resume_at`` has passed, and return how many; called by the launcher.

    By the database's clock, and at most 1,000; the next turn continues.
    """
    expired = (
        select(TaskPause.task_id)
        .where(TaskPause.resume_at <= database_now())
        .order_by(TaskPause.resume_at, TaskPause.task_id)
        .limit(_RESUMED_AT_ONCE)
    )
    ids = session.scalars(expired).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(ids))
        # One may have been paused again while this waited for its row lock.
        still = set(session.scalars(expired.where(TaskPause.task_id.in_(ids))))
        tasks = [task for task in tasks if task.id in still]
        end_pause(session, tasks, actor=TASKADMIN)
    return len(tasks)


def pause_after_failures(session: Session, task_id: int) -> bool:
    """Pause a task if its newest runs all failed and it has a rule for that; return whether it did.

    Call it when a run has failed for good. Skipped and cancelled runs don't count, and neither do
    runs that were due before the task was last edited or resumed: they say nothing about it now.
    """
    rule = select(TaskSchedule.pause_after).where(TaskSchedule.task_id == task_id)
    limit = session.scalar(rule)
    end_reading(session)
    if limit is None:
        return False
    with ledger_transaction(session):
        tasks = _lock(session, (Task.id == task_id) & Task.enabled)
        limit = session.scalar(rule)
        if not tasks or limit is None:
            return False
        runs = session.execute(
            select(TaskResult.state, TaskResult.error_type)
            .where(
                TaskResult.task_id == task_id,
                TaskResult.due_at >= tasks[0].updated_at,
                TaskResult.state.in_([RunState.SUCCEEDED, RunState.FAILED]),
            )
            .order_by(TaskResult.due_at.desc())
            .limit(limit)
        ).all()
        if len(runs) < limit or any(state != RunState.FAILED for state, _ in runs):
            return False
        failures = "1 failure" if limit == 1 else f"{limit:,} failures in a row"
        note = f"Paused after {failures}: {runs[0].error_type}"
        put_pause(session, tasks, actor=TASKADMIN, note=note, resume_at=None)
    return True


def pauses_of(session: Session, task_ids: Collection[int]) -> dict[int, TaskPause]:
    """Return pauses with who paused the task, by task id; one query."""
    if not task_ids:
        return {}
    pauses = session.scalars(
        select(TaskPause)
        .where(TaskPause.task_id.in_(task_ids))
        .options(joinedload(TaskPause.pauser))
    )
    return {pause.task_id: pause for pause in pauses}


def _lock(session: Session, which: Any) -> Sequence[Task]:
    """Lock the tasks that aren't deleted, in order of their ids like everywhere."""
    return session.scalars(
        select(Task)
        .where(which, Task.deleted_at.is_(None))
        .order_by(Task.id)
        # Concurrent launches of runs only need the task's key.
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def put_pause(
    session: Session,
    tasks: Sequence[Task],
    *,
    actor: Actor,
    note: str | None,
    resume_at: datetime | None,
) -> None:
    """Pause *tasks*, which the caller's transaction has locked."""
    if not tasks:
        return
    note = escaped_text((note or "").strip())[:NOTE_LENGTH] or None
    moment = now(session)
    before = _shown(session, tasks)
    after = {"enabled": False, "note": note, "resume_at": resume_at}
    insert = insert_with_conflicts(session, TaskPause.__table__)
    values = {
        "paused_at": moment,
        "paused_by": actor.user_id,
        "note": note,
        "resume_at": resume_at,
    }
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[TaskPause.task_id],
            set_={name: insert.excluded[name] for name in values},
        ),
        [{"task_id": task.id, **values} for task in tasks],
    )
    changes = [Change(subject_of(task), *difference(before[task.id], after)) for task in tasks]
    _set_enabled(session, tasks, False, moment)
    record_many(session, actor, "paused", changes)


def end_pause(session: Session, tasks: Sequence[Task], *, actor: Actor) -> None:
    """Resume *tasks*, which the caller's transaction has locked."""
    if not tasks:
        return
    before = _shown(session, tasks)
    changes = [
        Change(subject_of(task), *difference(before[task.id], {"enabled": True})) for task in tasks
    ]
    session.execute(
        delete(TaskPause).where(TaskPause.task_id.in_([task.id for task in tasks])),
        execution_options={"synchronize_session": False},
    )
    _set_enabled(session, tasks, True, now(session))
    record_many(session, actor, "resumed", changes)


def _shown(session: Session, tasks: Sequence[Task]) -> Mapping[int, dict[str, Any]]:
    """Return the audit trail's values of each task's pause, by task id."""
    pauses = session.execute(
        select(TaskPause.task_id, TaskPause.note, TaskPause.resume_at).where(
            TaskPause.task_id.in_([task.id for task in tasks])
        )
    )
    shown: dict[int, dict[str, Any]] = {task.id: {"enabled": task.enabled} for task in tasks}
    for task_id, note, resume_at in pauses:
        shown[task_id] |= {"note": note, "resume_at": resume_at}
    return shown


def _set_enabled(session: Session, tasks: Sequence[Task], enabled: bool, moment: datetime) -> None:
    session.execute(
        update(Task)
        .where(Task.id.in_([task.id for task in tasks]))
        # The database's time, since due times are compared with it.
        .values(enabled=enabled, version=Task.version + 1, updated_at=moment),
        execution_options={"synchronize_session": False},
    )
    for task in tasks:
        session.expire(task)
