"""Tasks of a file, and how they differ from the stored ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ....jobs import Job
from ....jobs.arguments.masking import DOTS
from ....models import Task, TaskPause
from ..schedules import ScheduleInput
from .format import PauseInFile, pause_of, shown_pause, shown_schedule

_MISSING = object()


class FileProblem(NamedTuple):
    """A problem in a file, with its place."""

    #: Counted from 1; None if the input has no lines.
    line: int | None
    #: The task's name, id or number in the file.
    task: str | None
    message: str

    def __str__(self) -> str:
        places = [f"line {self.line}" if self.line else None, self.task]
        place = ", ".join(place for place in places if place)
        return f"{place}: {self.message}" if place else self.message


@dataclass(slots=True, kw_only=True)
class TaskEntry:
    """One validated task of a file."""

    line: int | None
    place: str
    name: str | None
    job: str
    arguments: Mapping[str, Any]
    masked: Collection[str]
    author_id: int
    #: None for an active task.
    pause: PauseInFile | None
    schedule: ScheduleInput
    #: The stored task; None for a new one.
    task: Task | None
    #: Changed values by the file's keys; secrets are masked.
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
class StoredState:
    """The stored state that entries are compared with."""

    jobs: Mapping[str, Job]
    by_id: Mapping[int, Task]
    by_name: Mapping[str, list[Task]]
    #: Ids of users by username and by username key.
    authors: Mapping[str, int]
    schedules: Mapping[int, ScheduleInput]
    pauses: Mapping[int, TaskPause]
    default_author: str | None
    moment: datetime
    slot_interval_seconds: float


def changes(entry: TaskEntry, state: StoredState) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the values that differ from the stored task, old and new, by the file's keys."""
    task = entry.task
    after = _flat(entry.name, entry.job, entry.arguments, entry.schedule, entry.pause)
    if task is None:
        return {}, _hide(after, entry.masked)
    before = _flat(
        task.name,
        task.job,
        task.arguments,
        state.schedules.get(task.id, ScheduleInput()),
        None if task.enabled else pause_of(state.pauses.get(task.id)),
    )
    names = [name for name in {**before, **after} if not _same(name, before, after)]
    hidden = {*entry.masked, *task.masked}
    old = {name: before.get(name) for name in names}
    return _hide(old, hidden), _hide({name: after.get(name) for name in names}, hidden)


def same_values(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether both have the same names and values, compared as JSON."""
    return all(_same(name, one, other) for name in {**one, **other})


def _same(name: str, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    # Compare reprs too: True == 1 == 1.0 in Python, but not in JSON.
    before, after = one.get(name, _MISSING), other.get(name, _MISSING)
    # The identical value may contain NaN, which isn't equal to itself.
    return (before is after or before == after) and repr(before) == repr(after)


def _flat(
    name: str | None,
    job: str,
    arguments: Mapping[str, Any],
    schedule: ScheduleInput,
    pause: PauseInFile | None,
) -> dict[str, Any]:
    found = {"name": name, "job": job, "paused": pause is not None}
    if pause is not None:
        found |= {f"paused.{key}": value for key, value in shown_pause(pause).items()}
    found |= {f"arguments.{key}": value for key, value in arguments.items()}
    return found | {f"schedule.{key}": value for key, value in shown_schedule(schedule).items()}


def _hide(values: Mapping[str, object], masked: Collection[str]) -> dict[str, object]:
    hidden = {f"arguments.{name}" for name in masked}
    return {
        name: DOTS if name in hidden and value is not None else value
        for name, value in values.items()
    }
