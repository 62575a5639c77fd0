"""Data of a task besides its own columns: when it is due, and why it can't run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...models import Task, TaskPause, TaskSchedule
from ...schedules import InvalidSchedule, in_lines, in_words
from ...store.database import clock
from ...store.launches.due import schedules_of
from ...store.reports.matching_tasks import LATE_AFTER
from ...store.runs.results import why_not
from ...store.tasks import pauses
from ...store.tasks.schedules import schedule_of
from ...translation.texts import gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """When a task is due, and what keeps it from running."""

    #: The schedule in words; None if it is invalid.
    words: str | None
    #: The same in two lines; the second may be empty.
    lines: tuple[str, str] | None
    #: None if the task is paused, never due again, or its schedule is invalid.
    next_due: datetime | None
    #: Whether it is due now.
    is_due: bool
    #: Whether it has been due for so long that no launcher seems to run.
    is_late: bool
    #: Why there is no next due time: a word for the page.
    no_next: str
    pause: TaskPause | None
    #: "orphaned", "invalid" or None.
    trouble: str | None
    #: Why it can't run, as a sentence.
    reason: str | None


def task_rows(
    session: Session,
    tasks: Collection[Task],
    *,
    slot_interval_seconds: float,
    now: datetime | None = None,
) -> dict[int, TaskRow]:
    """Return the rows of these tasks by id; runs at most three queries.

    Args:
        now: The database's time, if known.
    """
    schedules = schedules_of(session, [task.id for task in tasks])
    # The row of a pause may outlive it for an instant after the task was resumed.
    found = pauses.pauses_of(session, [task.id for task in tasks if not task.enabled])
    now = now or clock.now(session)
    # Computed once: most tasks of a list use the common slot.
    common = _said(None, slot_interval_seconds)
    return {
        task.id: _row(
            task, schedules, found, common, now=now, slot_interval_seconds=slot_interval_seconds
        )
        for task in tasks
    }


class _Said(NamedTuple):
    """A schedule in words and in two lines, or why it is invalid."""

    words: str | None
    lines: tuple[str, str] | None
    error: str | None


def _said(schedule: TaskSchedule | None, slot_interval_seconds: float) -> _Said:
    words: str | None = None
    try:
        words = in_words(schedule_of(schedule), slot_interval_seconds)
        lines = in_lines(schedule_of(schedule), slot_interval_seconds)
    except InvalidSchedule as invalid:
        error = gettext("Its schedule can't be read: %(problem)s", problem=invalid)
        return _Said(words, None, error)
    return _Said(words, lines, schedule.error if schedule is not None else None)


def _row(
    task: Task,
    schedules: Mapping[int, TaskSchedule],
    found: Mapping[int, TaskPause],
    common: _Said,
    *,
    now: datetime,
    slot_interval_seconds: float,
) -> TaskRow:
    schedule = schedules.get(task.id)
    words, lines, error = common if schedule is None else _said(schedule, slot_interval_seconds)
    trouble, reason = _trouble(task)
    if error is not None:
        trouble, reason = trouble or "invalid", reason or error
    due, no_next = _next(task, schedule, now, slot_interval_seconds)
    if words is None and due is not None:
        due, no_next = None, gettext("unknown")
    return TaskRow(
        words=words,
        lines=lines,
        next_due=due,
        is_due=due is not None and due <= now,
        is_late=due is not None and due < now - LATE_AFTER,
        no_next=no_next,
        pause=found.get(task.id),
        trouble=trouble,
        reason=reason,
    )


def _trouble(task: Task) -> tuple[str | None, str | None]:
    job = all_jobs().get(task.job)
    reason = why_not(task, job)
    if reason is None:
        return None, None
    return "orphaned" if job is None else "invalid", reason


def _next(
    task: Task, schedule: TaskSchedule | None, now: datetime, slot_interval_seconds: float
) -> tuple[datetime | None, str]:
    if not task.enabled:
        return None, gettext("paused")
    if schedule is None:
        next_slot = clock.slot_of(now, slot_interval_seconds) + timedelta(
            seconds=slot_interval_seconds
        )
        return next_slot, ""
    if schedule.next_due is not None:
        return schedule.next_due, ""
    return None, gettext("unknown") if schedule.error else gettext("ended")
