"""The format of tasks in files under version control."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)
from pydantic_core import ErrorDetails

from ....jobs.arguments.masking import has_password
from ....models import MissedRuns, Overlap, Task, TaskPause
from ....schedules import InvalidSchedule, ScheduleKind
from ....values.storable import UnreadableNumber, escaped_text, is_storable
from ..pauses import NOTE_LENGTH
from ..schedules import ScheduleInput

#: Placeholder for an argument that isn't exported: importing it keeps the stored value.
KEPT = "<stored>"
#: Keys from a task to a value.
Path = Sequence[str | int]
_SCHEDULE_KINDS = {
    "every_seconds": ScheduleKind.INTERVAL,
    "cron": ScheduleKind.CRON,
    "once_at": ScheduleKind.ONCE,
}
_MAPPING = "a mapping of names to values"
_MOMENT = "a time with its offset from UTC, such as 2027-01-01T09:00:00+00:00"
_NOTE = f"a text of 1 to {NOTE_LENGTH} characters"
_LENGTH_UNIT_SECONDS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
_LENGTH_PATTERN = re.compile(
    r"(?:(\d{1,9}) ?d(?:ays?)?)? ?(?:(\d{1,9}) ?h(?:ours?)?)? ?"
    r"(?:(\d{1,9}) ?m(?:in(?:utes?)?)?)? ?(?:(\d{1,9}) ?s(?:econds?)?)?",
    re.ASCII,
)


class Lines(dict[str, Any]):
    """A mapping in a file that knows its lines.

    Attributes:
        line: Its first line, counted from 1.
        lines: The line of each key.
    """

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


def line_of(raw: object, path: Path) -> int | None:
    """Return the line of the key at *path*, or of the last mapping on the way to it."""
    if not isinstance(raw, Lines):
        return None
    name = str(path[0]) if path else ""
    return line_of(raw.get(name), path[1:]) or raw.lines.get(name, raw.line)


def _read_length(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw  # seconds
    match = _LENGTH_PATTERN.fullmatch(" ".join(raw.split())) if isinstance(raw, str) else None
    if match is None or not any(match.groups()):
        raise ValueError
    pairs = zip(match.groups(), _LENGTH_UNIT_SECONDS.values(), strict=True)
    return sum(int(number) * size for number, size in pairs if number)


def _read_moment(raw: object) -> datetime:
    moment = datetime.fromisoformat(raw) if isinstance(raw, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError
    return moment


def _read_note(raw: object) -> object:
    return escaped_text(raw.strip()) if isinstance(raw, str) else raw


def _read_paused(raw: object) -> Any:
    if raw is None:  # its keys may be commented out
        raise ValueError
    return ({} if raw else None) if isinstance(raw, bool) else raw


def _one_of(kind: type[StrEnum]) -> str:
    return f"one of {', '.join(kind)}"


_Text = Annotated[str, Field(description="a text")]
_Number = Annotated[int, Field(description="a whole number")]
_Length = Annotated[
    int,
    PlainValidator(_read_length),
    Field(description="a length such as 90 seconds, 5 minutes, 1 hour 30 minutes or 1d"),
]
_Moment = Annotated[datetime, PlainValidator(_read_moment), Field(description=_MOMENT)]
_Note = Annotated[str, BeforeValidator(_read_note), Field(min_length=1, max_length=NOTE_LENGTH)]
_Missed = Annotated[MissedRuns, Field(strict=False, description=_one_of(MissedRuns))]
_Overlap = Annotated[Overlap, Field(strict=False, description=_one_of(Overlap))]
#: Default of a missing key. Its type doesn't allow it, so that null is refused.
_UNSET: Any = None
_DEFAULT_SCHEDULE = ScheduleInput()


class _InFile(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ScheduleInFile(_InFile):
    """Values that differ from the common slot without policies, in the order for people."""

    every_seconds: _Length = Field(default=_UNSET, alias="every")
    cron: _Text = _UNSET
    once_at: _Moment = Field(default=_UNSET, alias="once")
    zone: _Text = _DEFAULT_SCHEDULE.zone
    starts_at: _Moment = Field(default=_UNSET, alias="start")
    ends_at: _Moment = Field(default=_UNSET, alias="end")
    max_runs: _Number = _UNSET
    missed_runs: _Missed = Field(default=_DEFAULT_SCHEDULE.missed_runs, alias="missed")
    grace_seconds: _Length = Field(default=_DEFAULT_SCHEDULE.grace_seconds, alias="grace")
    overlap: _Overlap = _DEFAULT_SCHEDULE.overlap
    jitter_seconds: _Length = Field(default=_DEFAULT_SCHEDULE.jitter_seconds, alias="jitter")
    pause_after: _Number = _UNSET

    def as_input(self) -> ScheduleInput:
        """Convert to a ``ScheduleInput`` that isn't validated yet.

        Raises:
            InvalidSchedule: With the field and a message.
        """
        kinds = [field for field in _SCHEDULE_KINDS if getattr(self, field) is not None]
        if len(kinds) > 1:
            names = " and ".join(name_of_field(field) for field in kinds)
            raise InvalidSchedule(kinds[1], f"{names} exclude each other.")
        return ScheduleInput(
            kind=_SCHEDULE_KINDS[kinds[0]] if kinds else _DEFAULT_SCHEDULE.kind, **dict(self)
        )


class PauseInFile(_InFile):
    """The note and end of a pause, if any."""

    note: _Note | None = Field(default=None, description=_NOTE)
    until: _Moment | None = Field(default=None, description=_MOMENT)


class TaskInFile(_InFile):
    """A task of a file; each part is validated on its own."""

    id: _Number | None = Field(default=None, description="a whole number")
    name: _Text | None = Field(default=None, description="a text")
    job: _Text = _UNSET
    arguments: dict[Any, Any] = Field(default=_UNSET, description=_MAPPING)
    author: _Text | None = Field(default=None, description="a text")
    paused: Annotated[PauseInFile | None, BeforeValidator(_read_paused)] = Field(
        default=None, description="true, false, or a mapping with note or until"
    )
    schedule: ScheduleInFile | None = Field(default=None, description=_MAPPING)


_NESTED_MODELS: dict[str, type[BaseModel]] = {"paused": PauseInFile, "schedule": ScheduleInFile}


def read_task(raw: Any) -> tuple[TaskInFile, list[tuple[Path, str]]]:
    """Parse a task; return the valid parts, and the path and message of each problem."""
    try:
        return TaskInFile.model_validate(raw), []
    except ValidationError as error:
        problems = error.errors(include_url=False)
    wrong = {problem["loc"][0] if problem["loc"] else None for problem in problems}
    valid = {} if None in wrong else {name: raw[name] for name in raw if name not in wrong}
    return TaskInFile.model_validate(valid), [(one["loc"], _sentence(one)) for one in problems]


def _sentence(problem: ErrorDetails) -> str:
    if not problem["loc"]:
        return f"A task is {_MAPPING}."
    *parents, name = map(str, problem["loc"])
    model = _NESTED_MODELS[parents[0]] if parents else TaskInFile
    names = {field.alias or key: field.description for key, field in model.model_fields.items()}
    place, value = ": ".join([*parents, name]), problem["input"]
    if name not in names:
        near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
        return f"{place[:60]} is unknown; {hint}"
    if name == "arguments" or isinstance(value, list | dict):  # may contain secrets
        return f"{place}: expected {names[name]}."
    written = json.dumps(value, ensure_ascii=False, default=str)
    return f"{place} is {written[:60]}; expected {names[name]}."


def name_of_field(field: str) -> str:
    """Return the file's key for a field of ``ScheduleInput``."""
    return ScheduleInFile.model_fields[field].alias or field


def pause_of(row: TaskPause | None) -> PauseInFile:
    """Convert a stored pause."""
    return PauseInFile.model_construct(note=row and row.note, until=row and row.resume_at)


def shown_pause(pause: PauseInFile) -> dict[str, Any]:
    """Return the note and the end, if any."""
    return {name: _shown(name, value) for name, value in pause if value is not None}


def shown_arguments(task: Task, masked: frozenset[str]) -> dict[str, object]:
    """Return the arguments, with a placeholder for those that a file doesn't get."""
    return {
        escaped_text(name): value if name not in masked and is_written(name, value) else KEPT
        for name, value in task.arguments.items()
    }


def is_written(name: str, value: object) -> bool:
    """Whether a file gets an argument: not if it is unstorable, or a URL with a password."""
    return is_storable({name: value}) and not has_password(value)


def shown_schedule(schedule: ScheduleInput) -> dict[str, Any]:
    """Return the values that differ from the common slot without policies."""
    return {
        one.alias or field: _shown(field, value)
        for field, one in ScheduleInFile.model_fields.items()
        if (value := getattr(schedule, field)) != one.default
    }


def _shown(field: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str | UnreadableNumber):
        return str(value)  # an enumeration's member, too
    return _shown_length(value) if field.endswith("_seconds") else value


def _shown_length(seconds: int) -> str:
    """Format seconds as “1 hour 30 minutes”."""
    parts = []
    for unit, size in _LENGTH_UNIT_SECONDS.items():
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}{'' if number == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
