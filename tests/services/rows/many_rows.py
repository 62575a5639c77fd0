"""A site of any size, created with a few statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Insert, func, insert, select, text
from sqlalchemy.orm import Session

from taskadmin.models import (
    AuditEntry,
    Base,
    Launch,
    LaunchKind,
    LaunchState,
    MinuteCount,
    Process,
    ProcessEnd,
    ProcessKind,
    RunProgress,
    RunState,
    Task,
    TaskPause,
    TaskResult,
    TaskSchedule,
    User,
)
from taskadmin.store.database import clock

_STATES = (*(RunState.SUCCEEDED,) * 5, *RunState)
_ERRORS = ("ValueError", "TimeoutError", "ConnectionError", "KeyError")
_ACTIONS = ("created", "changed", "paused", "deleted", "started")


class Site(NamedTuple):
    """Ids for pages: of rows that many others refer to; of runs, the newest."""

    task: int
    run: int
    failed_run: int
    launch: int
    user: int


def fill(session: Session, rows: int) -> Site:
    """Add tasks, runs, launches and audit entries, and a tenth as many users; commit.

    A quarter of the runs belong to the first task, and another quarter to the newest launch.
    """
    moment = clock.now(session)
    users = _add(session, User, [_user(number) for number in _numbers(session, User, rows // 10)])
    tasks = _add(
        session,
        Task,
        [_task(number, users[number % len(users)]) for number in range(rows)],
    )
    paused, scheduled = tasks[::9], tasks[1::3]
    _insert(
        session, TaskPause, [{"task_id": id_, "paused_at": moment, "note": "Why"} for id_ in paused]
    )
    _insert(
        session,
        TaskSchedule,
        [
            {"task_id": id_, "kind": "cron", "cron": "0 * * * *", "next_due": moment}
            for id_ in scheduled
        ],
    )
    launches = _add(
        session, Launch, [_launch(number, rows, moment, users[0]) for number in range(rows)]
    )
    process = _processes(session, min(max(rows // 50, 3), 40), moment)
    runs = _add(
        session,
        TaskResult,
        [_run(number, rows, tasks, launches, moment, process) for number in range(rows)],
    )
    _insert(
        session,
        RunProgress,
        [{"run_id": id_, "progress": 0.5, "updated_at": moment} for id_ in runs[::7]],
    )
    # After the existing ones, since a minute may begin between two fills.
    oldest = session.scalar(select(func.min(MinuteCount.minute)))
    minute = (oldest or moment.replace(second=0, microsecond=0)) - timedelta(minutes=1)
    _insert(
        session,
        MinuteCount,
        [
            {"minute": minute - timedelta(minutes=number), "succeeded": 3, "failed": 1}
            for number in range(rows)
        ],
    )
    _insert(
        session, AuditEntry, [_entry(number, tasks[0], users[0], moment) for number in range(rows)]
    )
    session.commit()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE"))
        session.commit()
    failed = session.scalar(
        select(func.max(TaskResult.id)).where(
            TaskResult.task_id == tasks[0], TaskResult.state == RunState.FAILED
        )
    )
    assert failed is not None
    return Site(tasks[0], runs[-1], failed, launches[-1], users[0])


def _numbers(session: Session, model: type[Base], count: int) -> range:
    have = _count(session, model)
    return range(have, have + max(count, 2))


def _count(session: Session, model: type[Base]) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def _insert(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(model), rows)


def _add(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> list[int]:
    statement: Insert = insert(model)
    key: Any = model.__table__.c.id
    return sorted(session.scalars(statement.returning(key), rows))


def _user(number: int) -> dict[str, Any]:
    name = f"person{number}"
    return {"username": name, "username_key": name, "can_review_tasks": number % 50 == 0}


def _task(number: int, author: int) -> dict[str, Any]:
    job = "gone" if number % 10 == 7 else "generate_random_number"
    limits = (None, None) if job == "gone" else (0.0, 1.0)
    return {
        "name": f"Task number {number}" if number % 5 else None,
        "job": job,
        "lower_limit": limits[0],
        "upper_limit": limits[1],
        "enabled": number % 9 != 0,
        "created_by": author,
        "version": 1,
    }


def _launch(number: int, rows: int, moment: Any, user: int) -> dict[str, Any]:
    opened_at = moment - timedelta(seconds=(rows - number) * 10)
    is_open = number >= rows - 5
    is_missed = not is_open and number % 8 == 3
    kind = LaunchKind.SLOT if is_missed else (LaunchKind.DUE, LaunchKind.MANUAL)[number % 2]
    return {
        "kind": kind,
        "slot": opened_at if is_missed else None,
        "state": (
            LaunchState.MISSED
            if is_missed
            else LaunchState.PUBLISHED
            if is_open
            else LaunchState.CLOSED
        ),
        "reason": "Nothing launched." if is_missed else None,
        "requested_by": user if kind == LaunchKind.MANUAL else None,
        "queued": rows // 4 if number == rows - 1 else 1,
        "opened_at": opened_at,
        "closed_at": None if is_open or is_missed else opened_at + timedelta(seconds=3),
    }


def _run(
    number: int, rows: int, tasks: list[int], launches: list[int], moment: Any, process: UUID
) -> dict[str, Any]:
    state = _STATES[number % len(_STATES)]
    queued_at = moment - timedelta(seconds=(rows - number) * 8)
    is_open = state in (RunState.QUEUED, RunState.RUNNING)
    is_failed, is_running = state == RunState.FAILED, state == RunState.RUNNING
    kind = number % 4
    return {
        "task_id": tasks[0] if kind == 0 else tasks[number],
        "launch_id": launches[-1] if kind == 1 else launches[number],
        "due_at": queued_at,
        "job": "generate_random_number",
        "queue": "taskadmin.runs" if number % 3 else "reports",
        "task_params": {"lower_limit": 0.0, "upper_limit": 1.0, "author_id": 1},
        "state": state,
        "reason": "Paused." if state == RunState.SKIPPED else None,
        "queued_at": queued_at,
        "started_at": None if state == RunState.QUEUED else queued_at + timedelta(seconds=1),
        "finished_at": None if is_open else queued_at + timedelta(seconds=2),
        "token": uuid4() if is_running else None,
        "process_id": process if is_running else None,
        "worker": "worker@one",
        "result": 0.5 if state == RunState.SUCCEEDED else None,
        "error_type": _ERRORS[number // 4 % len(_ERRORS)] if is_failed else None,
        "error": f"It failed for the {number}th time." if is_failed else None,
    }


def _processes(session: Session, count: int, moment: Any) -> UUID:
    boot = uuid4()
    kinds = [ProcessKind.BEAT, ProcessKind.LAUNCHER, ProcessKind.WORKER]
    rows = [
        {
            "id": uuid4(),
            "kind": kinds[number] if number < len(kinds) else ProcessKind.CHILD,
            "name": "worker@one",
            "host": "host",
            "pid": number,
            "parent_pid": 2 if number >= len(kinds) else None,
            "boot": boot,
            "started_at": moment,
            "seen_at": moment,
            "gone_at": moment if number % 7 == 6 else None,
            "ending": ProcessEnd.LOST if number % 7 == 6 else None,
        }
        for number in range(count)
    ]
    _insert(session, Process, rows)
    worker: UUID = rows[2]["id"]
    return worker


def _entry(number: int, task: int, user: int, moment: Any) -> dict[str, Any]:
    return {
        "at": moment,
        "actor_id": user,
        "actor": "person0",
        "source": "192.0.2.1",
        "action": _ACTIONS[number % len(_ACTIONS)],
        "subject_kind": "task",
        "subject_id": task if number % 4 == 0 else number + 1,
        "subject": f"Task number {number}",
        "before": {"name": "a"},
        "after": {"name": "b"},
    }
