"""What a file says of one task, and how that differs from the task that is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..jobs import Job
from ..jobs.masking import DOTS
from ..models import Task, TaskPause
from .as_code import shown_pause, shown_schedule
from .schedules import ScheduleInput

_MISSING = object()


class Problem(NamedTuple):
    """What is wrong in a file, and where."""

    #: Counted from 1; None if what was read has no lines.
    line: int | None
    #: The task's name, id or number in the file.
    task: str | None
    message: str

    def __str__(self) -> str:
        places = [f"line {self.line}" if self.line else None, self.task]
        place = ", ".join(place for place in places if place)
        return f"{place}: {self.message}" if place else self.message


class Pause(NamedTuple):
    """A pause as a file has it."""

    note: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One task of a file, checked."""

    line: int | None
    place: str
    name: str | None
    job: str
    arguments: Mapping[str, Any]
    masked: Collection[str]
    author_id: int
    #: None: the task is active.
    pause: Pause | None
    schedule: ScheduleInput
    #: The task that it is about; None for a new one.
    task: Task | None
    #: What it changes, by the names of the file; secrets are masked.
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes_definition(self) -> bool:
        """Whether more than the pause changes."""
        return any(name.partition(".")[0] != "paused" for name in self.after)

    @property
    def changes_pause(self) -> bool:
        """Whether the pause changes."""
        return any(name.partition(".")[0] == "paused" for name in self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What entries are compared with."""

    jobs: Mapping[str, Job]
    by_id: Mapping[int, Task]
    by_name: Mapping[str, list[Task]]
    #: Ids of users, by their names and by the keys of these.
    authors: Mapping[str, int]
    schedules: Mapping[int, ScheduleInput]
    pauses: Mapping[int, TaskPause]
    default_author: str | None
    moment: datetime
    slot_interval_s: float


def changes(
    known: Known,
    task: Task | None,
    *,
    name: str | None,
    job: str,
    arguments: Mapping[str, Any],
    masked: Collection[str],
    schedule: ScheduleInput,
    pause: Pause | None,
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What is otherwise than *task* has it, before and after, by the names of the file."""
    after = _flat(name, job, arguments, schedule, pause)
    if task is None:
        return {}, _hide(after, masked)
    row = known.pauses.get(task.id)
    before = _flat(
        task.name,
        task.job,
        task.arguments,
        known.schedules.get(task.id, ScheduleInput()),
        None if task.enabled else Pause(row.note, row.resume_at) if row else Pause(),
    )
    names = [name for name in {**before, **after} if not _same(name, before, after)]
    hidden = {*masked, *task.masked}
    old = {name: before.get(name) for name in names}
    return _hide(old, hidden), _hide({name: after.get(name) for name in names}, hidden)


def same_values(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both have the same names with the same values, as JSON tells values apart."""
    return all(_same(name, one, other) for name in {**one, **other})


def _same(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    # By their text as well: True == 1 == 1.0 in Python, and not in JSON.
    before, after = one.get(name, _MISSING), other.get(name, _MISSING)
    return before == after and repr(before) == repr(after)


def _flat(
    name: str | None,
    job: str,
    arguments: Mapping[str, Any],
    schedule: ScheduleInput,
    pause: Pause | None,
) -> dict[str, Any]:
    found = {"name": name, "job": job, "paused": pause is not None}
    if pause is not None:
        shown = shown_pause(TaskPause(note=pause.note, resume_at=pause.until))
        found |= (
            {f"paused.{key}": value for key, value in shown.items()} if shown is not True else {}
        )
    found |= {f"arguments.{key}": value for key, value in arguments.items()}
    return found | {f"schedule.{key}": value for key, value in shown_schedule(schedule).items()}


def _hide(values: Mapping[str, Any], masked: Collection[str]) -> dict[str, Any]:
    hidden = {f"arguments.{name}" for name in masked}
    return {
        name: DOTS if name in hidden and value is not None else value
        for name, value in values.items()
    }
