"""Pauses: by people with a note, by taskadmin after too many failures, and their end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, joinedload

from ..models import RunState, Task, TaskPause, TaskResult, TaskSchedule
from .audit import TASKADMIN, Actor, Change, difference, record_many, subject_of
from .clock import database_now, now
from .dialect import insert_with_conflicts
from .transaction import end_reading, ledger_transaction

#: Longest note, in characters.
NOTE_LENGTH = 500
#: Most tasks that a launcher's turn resumes.
_RESUMED_AT_ONCE = 1_000


def pause_tasks(
    session: Session,
    task_ids: Collection[int],
    *,
    actor: Actor,
    note: str | None = None,
    resume_at: datetime | None = None,
) -> int:
    """Pause tasks and return how many are; one that is paused already gets the new note.

    Runs that are queued or running go on; the launcher records later due times as skipped.

    Args:
        resume_at: When the launcher resumes them; None: nobody does but people.
    """
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(task_ids))
        put_pause(session, tasks, actor=actor, note=note, resume_at=resume_at)
    return len(tasks)


def resume_tasks(session: Session, task_ids: Collection[int], *, actor: Actor) -> int:
    """Let the launcher start tasks again and return how many were paused."""
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(task_ids) & Task.enabled.is_(False))
        end_pause(session, tasks, actor=actor)
    return len(tasks)


def resume_due(session: Session) -> int:
    """Resume tasks whose pause is over and return how many were; the launcher's work.

    By the database's clock, and at most 1,000 of them: the next turn takes the others.
    """
    over = (
        select(TaskPause.task_id)
        .where(TaskPause.resume_at <= database_now())
        .order_by(TaskPause.resume_at, TaskPause.task_id)
        .limit(_RESUMED_AT_ONCE)
    )
    ids = session.scalars(over).all()
    end_reading(session)
    if not ids:
        return 0
    with ledger_transaction(session):
        tasks = _lock(session, Task.id.in_(ids))
        # Somebody may have paused one of them anew while this waited for its row.
        still = set(session.scalars(over.where(TaskPause.task_id.in_(ids))))
        tasks = [task for task in tasks if task.id in still]
        end_pause(session, tasks, actor=TASKADMIN)
    return len(tasks)


def pause_after_failures(session: Session, task_id: int) -> bool:
    """Pause a task whose newest runs have all failed, if it has such a rule; True if it did.

    To be called when a run of the task has failed for good. Runs that were skipped or
    cancelled don't count, nor do those that were due before somebody edited or resumed the
    task: they tell nothing of what it is now.
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
    """The pauses of those tasks that have one, with who paused them, by task id; one query."""
    if not task_ids:
        return {}
    found = session.scalars(
        select(TaskPause)
        .where(TaskPause.task_id.in_(task_ids))
        .options(joinedload(TaskPause.pauser))
    )
    return {pause.task_id: pause for pause in found}


def _lock(session: Session, which: Any) -> Sequence[Task]:
    """The tasks that aren't deleted, in order of their ids, as everybody locks them."""
    return session.scalars(
        select(Task)
        .where(which, Task.deleted_at.is_(None))
        .order_by(Task.id)
        # Runs are queued meanwhile: they need the task's key only.
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
    """``pause_tasks`` inside the caller's transaction, which has locked *tasks*."""
    if not tasks:
        return
    note = (note or "").replace("\0", "").strip()[:NOTE_LENGTH] or None
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
    """``resume_tasks`` inside the caller's transaction, which has locked *tasks*."""
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
    """What the audit trail shows of each task's pause, by task id."""
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
        # The database's time: which runs came after it is asked by their due times.
        .values(enabled=enabled, version=Task.version + 1, updated_at=moment),
        execution_options={"synchronize_session": False},
    )
    for task in tasks:
        session.expire(task)
