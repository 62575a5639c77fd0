"""What pages tell of a task beside its own columns: when it is due, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from ..jobs import all_jobs
from ..models import Task, TaskPause, TaskSchedule
from ..schedules import InvalidSchedule, in_lines, in_words
from ..store import clock, pauses
from ..store.due import next_dues
from ..store.matching_tasks import LATE_AFTER
from ..store.results import why_not
from ..store.schedules import schedule_of
from ..texts import gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """When a task is due, and what keeps it from running."""

    #: Its schedule; None if it can't be read.
    words: str | None
    #: The same in two lines; the second may be empty.
    lines: tuple[str, str] | None
    #: None if it is never due again, paused, or nobody can tell.
    next_due: datetime | None
    #: Whether the launcher is about to start it.
    is_due: bool
    #: Whether it has been due for so long that nothing seems to launch it.
    is_late: bool
    #: Why it has no next due time, in a word.
    no_next: str
    pause: TaskPause | None
    #: "orphaned", "invalid" or None.
    trouble: str | None
    #: What is wrong with it, as a sentence.
    reason: str | None


def task_rows(
    session: Session,
    tasks: Collection[Task],
    *,
    slot_interval_s: float,
    now: datetime | None = None,
) -> dict[int, TaskRow]:
    """The rows of these tasks by their ids; three queries at most, however many there are.

    Args:
        now: The database's time, where it is known.
    """
    schedules = next_dues(session, [task.id for task in tasks])
    # A pause's row may be there for an instant after its task was resumed.
    found = pauses.pauses_of(session, [task.id for task in tasks if not task.enabled])
    now = now or clock.now(session)
    # Said once: most tasks of a list have no schedule of their own.
    common = _said(None, slot_interval_s)
    return {
        task.id: _row(task, schedules, found, common, now=now, slot_interval_s=slot_interval_s)
        for task in tasks
    }


class _Said(NamedTuple):
    """A schedule in words and in two lines, or why it can't be read."""

    words: str | None
    lines: tuple[str, str] | None
    error: str | None


def _said(schedule: TaskSchedule | None, slot_interval_s: float) -> _Said:
    words: str | None = None
    try:
        words = in_words(schedule_of(schedule), slot_interval_s)
        lines = in_lines(schedule_of(schedule), slot_interval_s)
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
    slot_interval_s: float,
) -> TaskRow:
    schedule = schedules.get(task.id)
    words, lines, error = common if schedule is None else _said(schedule, slot_interval_s)
    trouble, reason = _trouble(task)
    if error is not None:
        trouble, reason = trouble or "invalid", reason or error
    due, no_next = _next(task, schedule, now, slot_interval_s)
    return TaskRow(
        words=words,
        lines=lines,
        next_due=due if words is not None else None,
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
    task: Task, schedule: TaskSchedule | None, now: datetime, slot_interval_s: float
) -> tuple[datetime | None, str]:
    if not task.enabled:
        return None, gettext("paused")
    if schedule is None:
        next_slot = clock.slot_of(now, slot_interval_s) + timedelta(seconds=slot_interval_s)
        return next_slot, ""
    if schedule.next_due is not None:
        return schedule.next_due, ""
    return None, gettext("can't be told") if schedule.error else gettext("over")
