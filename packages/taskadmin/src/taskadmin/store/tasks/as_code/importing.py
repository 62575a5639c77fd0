"""Export tasks, plan an import, and apply it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from ....errors import EditConflict
from ....jobs import Job
from ....models import NOTIFY_JOB, Task, TaskPause, TaskResult, TaskSchedule, User
from ...people.audit import Actor
from ..pauses import end_pause, put_pause
from ..schedules import ScheduleInput, input_of
from ..tasks import add_task, change_task, mark_tasks_deleted
from .entries import FileProblem, StoredState, TaskEntry
from .format import Lines, pause_of, shown_arguments, shown_pause, shown_schedule
from .reader import Reader

#: Maximum tasks in one file.
MAX_FILE_TASKS = 100_000
#: Maximum ids in one statement: PostgreSQL accepts 65,535 parameters.
_MAX_IDS_PER_STATEMENT = 1_000
#: Key of an advisory lock: two concurrent imports of a file would both create its new tasks.
_IMPORT_LOCK_KEY = 7_238_140_611


@dataclass(slots=True)
class ImportPlan:
    """The effect of importing a file; none if there are problems."""

    problems: list[FileProblem] = field(default_factory=list)
    created: list[TaskEntry] = field(default_factory=list)
    changed: list[TaskEntry] = field(default_factory=list)
    same: int = 0
    #: Tasks that aren't in the file, and the number of their results.
    others: list[Task] = field(default_factory=list)
    results_of_others: int = 0


def export_tasks(session: Session, *, jobs: Mapping[str, Job]) -> list[dict[str, object]]:
    """Return all tasks in the file's format, by name; tasks without a unique name have their id."""
    tasks = _all_tasks(session)
    names = Counter(task.name for task in tasks)
    schedules, pauses = _all_schedules(session), _all_pauses(session)
    entries: list[dict[str, Any]] = []
    for task in sorted(tasks, key=lambda task: (task.name or "", task.id)):
        job = jobs.get(task.job)
        masked = frozenset(task.masked) | (job.masked if job else frozenset())
        shown = {
            "id": None if task.name and names[task.name] == 1 else task.id,
            "name": task.name,
            "job": task.job,
            "arguments": shown_arguments(task, masked),
            "author": task.author_name,
            "paused": not task.enabled and (shown_pause(pause_of(pauses.get(task.id))) or True),
            "schedule": shown_schedule(schedules.get(task.id, ScheduleInput())),
        }
        entries.append({name: value for name, value in shown.items() if value})
    session.rollback()
    return entries


def lock_imports(session: Session) -> None:
    """Wait until no other import is running, inside the caller's transaction.

    On SQLite, write transactions are exclusive anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_IMPORT_LOCK_KEY)))


def plan_import(
    session: Session,
    document: object,
    *,
    jobs: Mapping[str, Job],
    default_author: str | None,
    moment: datetime,
    slot_interval_seconds: float,
) -> ImportPlan:
    """Validate a file and compare it with the database.

    Args:
        document: The file's content: ``{"tasks": [...]}``.
        default_author: Username of the author of new tasks without an author in the file.
        moment: The database's time.
    """
    plan = ImportPlan()
    entries = _entries(document, plan.problems)
    if plan.problems:
        return plan
    tasks = _all_tasks(session)
    by_name: dict[str, list[Task]] = {}
    for task in tasks:
        if task.name:
            by_name.setdefault(task.name, []).append(task)
    users = session.execute(select(User.username_key, User.username, User.id)).all()
    reader = Reader(
        StoredState(
            jobs=jobs,
            by_id={task.id: task for task in tasks},
            by_name=by_name,
            # Hosts' usernames may not be valid for taskadmin's own accounts.
            authors={row.username: row.id for row in users}
            | {row.username_key: row.id for row in users},
            schedules=_all_schedules(session),
            pauses=_all_pauses(session),
            default_author=default_author,
            moment=moment,
            slot_interval_seconds=slot_interval_seconds,
        )
    )
    plan.problems = reader.problems
    seen: dict[int | str, int | None] = {}
    for number, raw in enumerate(entries, 1):
        entry = reader.read(number, raw)
        if entry is None:
            continue
        key = entry.task.id if entry.task is not None else entry.name or ""
        if key in seen:
            first = f", first in line {seen[key]}" if seen[key] else ""
            reader.report(f"This task is in the file twice{first}.")
        seen.setdefault(key, entry.line)
        if entry.task is None:
            plan.created.append(entry)
        elif entry.after:
            plan.changed.append(entry)
        else:
            plan.same += 1
    plan.problems.sort(key=lambda problem: problem.line or 0)
    plan.others = [task for task in tasks if task.id not in seen]
    plan.results_of_others = sum(
        session.scalar(select(func.count()).where(TaskResult.task_id.in_(ids))) or 0
        for ids in _batches([task.id for task in plan.others])
    )
    return plan


def apply_import(
    session: Session,
    plan: ImportPlan,
    *,
    actor: Actor,
    slot_interval_seconds: float,
    delete_others: bool = False,
) -> None:
    """Apply a plan inside the transaction that made it.

    Raises:
        EditConflict: If a task was changed or deleted since it was read.
    """
    assert not plan.problems
    _lock([entry.task for entry in plan.changed if entry.task is not None], session)
    for entry in plan.changed:
        _change(session, entry, actor, slot_interval_seconds)
    for entry in plan.created:
        task = add_task(
            session,
            author_id=entry.author_id,
            arguments=entry.arguments,
            job=entry.job,
            masked=entry.masked,
            name=entry.name,
            enabled=True,
            schedule=entry.schedule,
            slot_interval_seconds=slot_interval_seconds,
            actor=actor,
        )
        _put_pause(session, task, entry, actor)
    if delete_others:
        for ids in _batches([task.id for task in plan.others]):
            mark_tasks_deleted(session, ids, actor=actor)


def _change(session: Session, entry: TaskEntry, actor: Actor, slot_interval_seconds: float) -> None:
    task = entry.task
    assert task is not None
    if entry.changes_definition:
        change_task(
            session,
            task,
            arguments=entry.arguments,
            name=entry.name,
            enabled=task.enabled,
            job=entry.job,
            masked=entry.masked,
            schedule=entry.schedule,
            slot_interval_seconds=slot_interval_seconds,
            actor=actor,
        )
    if entry.changes_pause:
        if entry.pause is None:
            end_pause(session, [task], actor=actor)
        else:
            _put_pause(session, task, entry, actor)


def _put_pause(session: Session, task: Task, entry: TaskEntry, actor: Actor) -> None:
    if entry.pause is not None:
        put_pause(session, [task], actor=actor, note=entry.pause.note, resume_at=entry.pause.until)


def _lock(tasks: Sequence[Task], session: Session) -> None:
    versions = {task.id: task.version for task in tasks}
    for ids in _batches(sorted(versions)):
        rows = session.execute(
            select(Task.id, Task.version)
            .where(Task.id.in_(ids), Task.deleted_at.is_(None))
            .order_by(Task.id)
            .with_for_update(key_share=True)
        ).all()
        current = {row.id: row.version for row in rows}
        for task_id in ids:
            if current.get(task_id) != versions[task_id]:
                raise EditConflict(
                    f"Someone else changed task {task_id} in the meantime; nothing was changed. "
                    "Try again."
                )


def _entries(document: Any, problems: list[FileProblem]) -> list[Any]:
    line = document.line if isinstance(document, Lines) else None
    entries = document.get("tasks") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        problems.append(FileProblem(line, None, "The file has no list called tasks."))
        return []
    for name in document:
        if name != "tasks":
            at = document.lines.get(name) if isinstance(document, Lines) else None
            problems.append(FileProblem(at, None, f"{name} is unknown; a file has only tasks."))
    if len(entries) > MAX_FILE_TASKS:
        problems.append(
            FileProblem(line, None, f"The file has more than {MAX_FILE_TASKS:,} tasks.")
        )
    return entries


def _all_tasks(session: Session) -> Sequence[Task]:
    """Return people's tasks; channels belong to a site, not to a file."""
    return session.scalars(
        select(Task)
        .where(Task.deleted_at.is_(None), Task.job != NOTIFY_JOB)
        .order_by(Task.id)
        .options(joinedload(Task.author))
        .execution_options(populate_existing=True)
    ).all()


def _all_schedules(session: Session) -> dict[int, ScheduleInput]:
    rows = session.scalars(select(TaskSchedule).execution_options(populate_existing=True))
    return {row.task_id: input_of(row) for row in rows}


def _all_pauses(session: Session) -> dict[int, TaskPause]:
    rows = session.scalars(select(TaskPause).execution_options(populate_existing=True))
    return {row.task_id: row for row in rows}


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(ids), _MAX_IDS_PER_STATEMENT):
        yield ids[begin : begin + _MAX_IDS_PER_STATEMENT]
