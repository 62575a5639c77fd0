"""Tasks as text that people keep under version control: what each part looks like there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..models import MissedRuns, Overlap, Task, TaskPause
from ..schedules import InvalidSchedule, ScheduleKind
from .schedules import ScheduleInput

#: In place of a masked argument: importing it keeps what is stored.
KEPT = "<stored>"
#: Names in the file, by field of ``ScheduleInput``.
_LENGTHS = {"every": "every_s", "grace": "grace_s", "jitter": "jitter_s"}
_MOMENTS = {"once": "once_at", "start": "starts_at", "end": "ends_at"}
_NUMBERS = {"max_runs": "max_runs", "pause_after": "pause_after"}
_TEXTS = {"cron": "cron", "zone": "zone", "missed": "missed_runs", "overlap": "overlap"}
#: In the order in which people read them.
_NAMES = (
    *("every", "cron", "once", "zone", "start", "end", "max_runs"),
    *("missed", "grace", "overlap", "jitter", "pause_after"),
)
_FIELDS = {**_LENGTHS, **_MOMENTS, **_NUMBERS, **_TEXTS}
SCHEDULE_KEYS = frozenset(_NAMES)
_KINDS = {"every": ScheduleKind.INTERVAL, "cron": ScheduleKind.CRON, "once": ScheduleKind.ONCE}
_UNITS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
_LENGTH = re.compile(
    r"(?:(\d{1,9}) ?d(?:ays?)?)? ?(?:(\d{1,9}) ?h(?:ours?)?)? ?"
    r"(?:(\d{1,9}) ?m(?:in(?:utes?)?)?)? ?(?:(\d{1,9}) ?s(?:econds?)?)?",
    re.ASCII,
)


class Lines(dict[str, Any]):
    """A mapping of a file that knows where it stands.

    Attributes:
        line: Where it begins, counted from 1.
        lines: Where each of its names is.
    """

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


def shown_pause(pause: TaskPause | None) -> Any:
    """Whether a task is paused, with the note and the end if there are any."""
    if pause is None or (pause.note is None and pause.resume_at is None):
        return True
    shown: dict[str, Any] = {}
    if pause.note is not None:
        shown["note"] = pause.note
    if pause.resume_at is not None:
        shown["until"] = pause.resume_at.isoformat()
    return shown


def shown_arguments(task: Task, masked: frozenset[str]) -> dict[str, Any]:
    """The arguments, with a mark in the places of the masked ones."""
    return {name: KEPT if name in masked else value for name, value in task.arguments.items()}


def shown_schedule(schedule: ScheduleInput) -> dict[str, Any]:
    """What differs from the common slot without policies."""
    default = ScheduleInput()
    shown: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(schedule, _FIELDS[name])
        if value is None or value == getattr(default, _FIELDS[name]):
            continue
        if name in _LENGTHS:
            value = shown_length(value)
        elif name in _MOMENTS:
            value = value.isoformat()
        elif name in _TEXTS:
            value = str(value)
        shown[name] = value
    return shown


def read_schedule(given: Mapping[str, Any]) -> ScheduleInput:
    """What a file says of a schedule; still to be checked.

    Args:
        given: Has no other names than ``SCHEDULE_KEYS``.

    Raises:
        InvalidSchedule: With the name in the file and a sentence.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in _LENGTHS:
            values[_FIELDS[name]] = _read_length(name, value)
        elif name in _MOMENTS:
            values[_FIELDS[name]] = read_moment(name, value)
        elif name in _NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise InvalidSchedule(name, f"{name} is a whole number.")
            values[_FIELDS[name]] = value
        else:
            if not isinstance(value, str):
                raise InvalidSchedule(name, f"{name} is a text.")
            values[_FIELDS[name]] = value
    kinds = [name for name in _KINDS if name in given]
    if len(kinds) > 1:
        raise InvalidSchedule(kinds[1], f"{' and '.join(kinds)} exclude each other.")
    values["kind"] = _KINDS[kinds[0]] if kinds else ScheduleKind.SLOT
    for name, policy in (("missed", MissedRuns), ("overlap", Overlap)):
        if name in given and given[name] not in set(policy):
            choices = ", ".join(policy)
            raise InvalidSchedule(name, f"{name} is {given[name]}; expected one of {choices}.")
    return ScheduleInput(**values)


def name_of_field(field: str) -> str:
    """How the file calls a field of ``ScheduleInput``."""
    return {value: name for name, value in _FIELDS.items()}.get(field, field)


def shown_length(seconds: int) -> str:
    """“1 hour 30 minutes”."""
    parts = []
    for unit, size in _UNITS.items():
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}{'' if number == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def _read_length(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # seconds
    found = _LENGTH.fullmatch(" ".join(value.split())) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        raise InvalidSchedule(
            name, f"{name} is a length such as 90 seconds, 5 minutes, 1 hour 30 minutes or 1d."
        )
    pairs = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(int(number) * size for number, size in pairs if number)


def read_moment(name: str, value: Any) -> datetime:
    """A moment with its offset from UTC.

    Raises:
        InvalidSchedule: With *name* and a sentence.
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidSchedule(
            name, f"{name} is a time with its offset from UTC, such as 2027-01-01T09:00:00+00:00."
        )
    return moment
