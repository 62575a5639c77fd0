"""A task for each policy, and its runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from taskadmin.models import (
    LedgerState,
    MissedRuns,
    Overlap,
    RunProgress,
    RunState,
    TaskPause,
    TaskResult,
    TaskSchedule,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import pauses, tasks
from taskadmin.store.tasks.schedules import ScheduleInput

#: Note of the pause that ends the test.
OVER = "The test is over."


ADA = Actor(None, "ada", "192.0.2.1")


def every(seconds: int = 1, **policies: Any) -> ScheduleInput:
    return ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=seconds, **policies)


@dataclass
class World:
    """Runs of the tasks, by name, read at the end."""

    runs: dict[str, list[TaskResult]] = field(default_factory=dict)
    pauses: dict[int, TaskPause] = field(default_factory=dict)
    said: dict[int, RunProgress] = field(default_factory=dict)

    def states(self, name: str) -> list[RunState]:
        """Return the states of a task's runs, by due time."""
        return [RunState(run.state) for run in self.runs[name]]

    def queued(self, name: str) -> list[TaskResult]:
        """Return the runs that weren't skipped."""
        return [run for run in self.runs[name] if run.state != RunState.SKIPPED]


def make_missed_tasks(session: Session, author: int) -> dict[str, int]:
    """Add tasks that have been due for ten minutes when the launcher starts."""
    wanted = {
        "missed: skip": every(60, missed_runs=MissedRuns.SKIP),
        "missed: once": every(60, missed_runs=MissedRuns.ONCE),
        "missed: all": every(60, missed_runs=MissedRuns.ALL),
        "within the grace": every(60, missed_runs=MissedRuns.SKIP, grace_seconds=3600),
    }
    ids = {name: make_task(session, author, "quick", {}, wanted[name]) for name in wanted}
    minute = now(session).replace(second=0, microsecond=0)
    set_next_due(session, ids.values(), minute - timedelta(minutes=10))
    return {**ids, "common slot": make_task(session, author, "quick", {}, None)}


def make_tasks(session: Session, author: int, folder: str) -> dict[str, int]:
    """Add tasks that are due from now on."""
    soon = now(session) + timedelta(seconds=8)
    session.rollback()
    wanted: dict[str, tuple[str, dict[str, Any], ScheduleInput]] = {
        "every second": ("quick", {}, every()),
        "overlap allowed": ("slow", {}, every(overlap=Overlap.ALLOW)),
        "overlap skipped": ("slow", {}, every(overlap=Overlap.SKIP)),
        "one waits": ("slow", {}, every(overlap=Overlap.QUEUE_ONE)),
        "pause after two": ("broken", {}, every(pause_after=2)),
        "attempts": ("third_time_lucky", {"folder": folder}, every(3600)),
        "hard limit": ("never_ends", {}, every(3600)),
        "soft limit": ("warned", {}, every(3600)),
        "once": ("quick", {}, ScheduleInput(kind=ScheduleKind.ONCE, once_at=soon)),
        "three runs": ("quick", {}, every(max_runs=3)),
        "ends": ("quick", {}, every(ends_at=soon)),
        "starts": ("quick", {}, every(starts_at=soon)),
        "jitter": ("quick", {}, every(jitter_seconds=4)),
        "paused": ("quick", {}, every()),
        "orphaned": ("nobody_has_it", {}, every()),
        "invalid": ("slow", {"minutes": 1}, every()),
    }
    ids = {name: make_task(session, author, *of) for name, of in wanted.items()}
    pauses.pause_tasks(session, [ids["paused"]], actor=ADA, note="Not today.")
    due_at_once = ("attempts", "hard limit", "soft limit")
    set_next_due(session, [ids[name] for name in due_at_once], now(session))
    return ids


def make_task(
    session: Session, author: int, job: str, arguments: dict[str, Any], wanted: ScheduleInput | None
) -> int:
    task = tasks.create_task(
        session, author_id=author, job=job, arguments=arguments, schedule=wanted
    )
    return task.id


def set_next_due(session: Session, ids: Iterable[int], due: datetime) -> None:
    session.execute(update(TaskSchedule).where(TaskSchedule.task_id.in_(ids)).values(next_due=due))
    session.commit()


def has_ticked(session: Session) -> bool:
    ticked_at = session.scalar(select(LedgerState.ticked_at))
    session.rollback()
    return ticked_at is not None


def open_runs(session: Session) -> list[Row[int, str, RunState, int]]:
    """Return id, job, state and attempts of unfinished runs."""
    columns = (TaskResult.id, TaskResult.job, TaskResult.state, TaskResult.attempts)
    found = session.execute(select(*columns).where(TaskResult.finished_at.is_(None))).all()
    session.rollback()
    return list(found)


def read(session: Session, ids: dict[str, int]) -> World:
    world = World()
    for name, task_id in ids.items():
        world.runs[name] = list(
            session.scalars(
                select(TaskResult)
                .where(
                    TaskResult.task_id == task_id,
                    # Due after everything was paused.
                    TaskResult.reason.is_distinct_from(OVER),
                )
                .order_by(TaskResult.due_at)
            )
        )
    world.pauses = {row.task_id: row for row in session.scalars(select(TaskPause))}
    world.said = {row.run_id: row for row in session.scalars(select(RunProgress))}
    return world
