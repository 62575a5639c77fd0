"""Files of tasks against the database: what importing one would change, and changing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from ..errors import EditConflict
from ..jobs import Job
from ..models import Task, TaskPause, TaskResult, TaskSchedule, User
from .as_code import Lines, shown_arguments, shown_pause, shown_schedule
from .audit import Actor
from .pauses import end_pause, put_pause
from .schedules import ScheduleInput, input_of
from .task_entries import Entry, Known, Problem
from .task_reader import Reader
from .tasks import add_task, bury_tasks, change_task

#: Most tasks of one file.
MOST = 100_000
#: Ids of one statement: PostgreSQL takes 65,535 parameters.
_BATCH = 1_000
#: Two imports of the same file at once would both create what is new.
_ADVISORY_KEY = 7_238_140_611


@dataclass(slots=True)
class Plan:
    """What importing a file would do; nothing, if there are problems."""

    problems: list[Problem] = field(default_factory=list)
    created: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    same: int = 0
    #: Tasks that the file doesn't have, and how many results they have.
    others: list[Task] = field(default_factory=list)
    results_of_others: int = 0


def export_tasks(session: Session, *, jobs: Mapping[str, Job]) -> list[dict[str, Any]]:
    """Every task as the file has it, by name; those without a name of their own have their id."""
    tasks = _all_tasks(session)
    names = Counter(task.name for task in tasks)
    schedules, pauses = _all_schedules(session), _all_pauses(session)
    entries: list[dict[str, Any]] = []
    for task in sorted(tasks, key=lambda task: (task.name or "", task.id)):
        job = jobs.get(task.job)
        masked = frozenset(task.masked) | (job.masked if job else frozenset())
        entry: dict[str, Any] = {}
        if not task.name or names[task.name] > 1:
            entry["id"] = task.id
        if task.name:
            entry["name"] = task.name
        entry["job"] = task.job
        if arguments := shown_arguments(task, masked):
            entry["arguments"] = arguments
        entry["author"] = task.author.username
        if not task.enabled:
            entry["paused"] = shown_pause(pauses.get(task.id))
        if schedule := shown_schedule(schedules.get(task.id, ScheduleInput())):
            entry["schedule"] = schedule
        entries.append(entry)
    session.rollback()
    return entries


def lock_imports(session: Session) -> None:
    """Wait until no other import is at work, inside the caller's transaction.

    On SQLite a transaction of the ledger is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_ADVISORY_KEY)))


def plan_import(
    session: Session,
    document: Any,
    *,
    jobs: Mapping[str, Job],
    default_author: str | None,
    moment: datetime,
    slot_interval_s: float,
) -> Plan:
    """Compare a file with the database, and check every part of it.

    Args:
        document: What the file holds: ``{"tasks": [...]}``.
        default_author: Username of the author of new tasks that name none.
        moment: The database's time.
    """
    plan = Plan()
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
        Known(
            jobs=jobs,
            by_id={task.id: task for task in tasks},
            by_name=by_name,
            # Hosts' names may be none that taskadmin itself would take.
            authors={row.username: row.id for row in users}
            | {row.username_key: row.id for row in users},
            schedules=_all_schedules(session),
            pauses=_all_pauses(session),
            default_author=default_author,
            moment=moment,
            slot_interval_s=slot_interval_s,
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
            reader.say(f"This task is in the file twice{first}.")
        seen.setdefault(key, entry.line)
        if entry.task is None:
            plan.created.append(entry)
        elif entry.after:
            plan.changed.append(entry)
        else:
            plan.same += 1
    plan.others = [task for task in tasks if task.id not in seen]
    plan.results_of_others = sum(
        session.scalar(select(func.count()).where(TaskResult.task_id.in_(ids))) or 0
        for ids in _batches([task.id for task in plan.others])
    )
    return plan


def apply_import(
    session: Session,
    plan: Plan,
    *,
    actor: Actor,
    slot_interval_s: float,
    delete_others: bool = False,
) -> None:
    """Do what is planned inside the caller's transaction, which made the plan.

    Raises:
        EditConflict: If a task was changed or deleted since it was read.
    """
    assert not plan.problems
    _lock([entry.task for entry in plan.changed if entry.task is not None], session)
    for entry in plan.changed:
        _change(session, entry, actor, slot_interval_s)
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
            slot_interval_s=slot_interval_s,
            actor=actor,
        )
        _put_pause(session, task, entry, actor)
    if delete_others:
        for ids in _batches([task.id for task in plan.others]):
            bury_tasks(session, ids, actor=actor)


def _change(session: Session, entry: Entry, actor: Actor, slot_interval_s: float) -> None:
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
            slot_interval_s=slot_interval_s,
            actor=actor,
        )
    if entry.changes_pause:
        if entry.pause is None:
            end_pause(session, [task], actor=actor)
        else:
            _put_pause(session, task, entry, actor)


def _put_pause(session: Session, task: Task, entry: Entry, actor: Actor) -> None:
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
        found = {row.id: row.version for row in rows}
        for task_id in ids:
            if found.get(task_id) != versions[task_id]:
                raise EditConflict(
                    f"Somebody else changed task {task_id} meanwhile; nothing was changed. "
                    "Try again."
                )


def _entries(document: Any, problems: list[Problem]) -> list[Any]:
    line = document.line if isinstance(document, Lines) else None
    entries = document.get("tasks") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        problems.append(Problem(line, None, "The file has no list called tasks."))
        return []
    for name in document:
        if name != "tasks":
            at = document.lines.get(name) if isinstance(document, Lines) else None
            problems.append(Problem(at, None, f"{name} is unknown; the file has tasks only."))
    if len(entries) > MOST:
        problems.append(Problem(line, None, f"The file has more than {MOST:,} tasks."))
    return entries


def _all_tasks(session: Session) -> Sequence[Task]:
    return session.scalars(
        select(Task)
        .where(Task.deleted_at.is_(None))
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
    for begin in range(0, len(ids), _BATCH):
        yield ids[begin : begin + _BATCH]
