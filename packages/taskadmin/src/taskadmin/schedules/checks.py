"""What a schedule has to be like, in sentences for whoever enters one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .cron import parse_cron
from .invalid import InvalidSchedule
from .kinds import EARLIEST, LATEST, ScheduleKind
from .zones import get_zone

if TYPE_CHECKING:
    from .definition import Schedule

#: Seconds: a second, and a leap year.
SHORTEST, LONGEST = 1, 366 * 86_400

_TICK = timedelta(microseconds=1)

#: The field that each kind needs and no other kind has.
_FIELD_OF_KIND = {
    ScheduleKind.INTERVAL: ("every_s", "An interval needs its length."),
    ScheduleKind.CRON: ("cron", "A cron schedule needs its expression, like “30 2 * * *”."),
    ScheduleKind.ONCE: ("once_at", "A single run needs its date and time."),
}
_TIMES = {
    "once_at": "The date and time",
    "starts_at": "The start",
    "ends_at": "The end",
}


def check(schedule: Schedule, *, now: datetime | None, slot_interval_s: float | None) -> None:
    """See ``Schedule.check``."""
    now = now.astimezone(UTC) if now is not None else None
    _check_fields(schedule)
    get_zone(schedule.zone)
    _check_length(schedule.every_s)
    for field in _TIMES:
        moment: datetime | None = getattr(schedule, field)
        if moment is not None and moment.utcoffset() is None:
            raise InvalidSchedule(field, f"{_TIMES[field]} needs a time zone.")
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise InvalidSchedule(field, f"{_TIMES[field]} must lie in the years 1970 to 2999.")
    if schedule.cron is not None:
        parse_cron(schedule.cron)
    _check_bounds(schedule, now)
    if schedule.kind is not ScheduleKind.SLOT or slot_interval_s is not None:
        _check_due_times(schedule, now, slot_interval_s or 1)


def known_kind(kind: str) -> ScheduleKind:
    """The kind of this name."""
    try:
        return ScheduleKind(kind)
    except ValueError as error:
        kinds = ", ".join(ScheduleKind)
        raise InvalidSchedule(
            "kind", f"There is no kind of schedule “{kind}”; expected one of {kinds}."
        ) from error


def _check_fields(schedule: Schedule) -> None:
    for kind, (field, missing) in _FIELD_OF_KIND.items():
        value = getattr(schedule, field)
        if schedule.kind is kind and value in (None, ""):
            raise InvalidSchedule(field, missing)
        if schedule.kind is not kind and value is not None:
            raise InvalidSchedule(field, f"Only the kind {kind} has this; leave it empty.")


def _check_length(every_s: int | None) -> None:
    if every_s is None:
        return
    # True is an int too; YAML has both.
    if isinstance(every_s, bool) or not isinstance(every_s, int):
        raise InvalidSchedule("every_s", "The interval must be a whole number of seconds.")
    if not SHORTEST <= every_s <= LONGEST:
        raise InvalidSchedule("every_s", "The interval must be 1 second to 366 days long.")


def _check_bounds(schedule: Schedule, now: datetime | None) -> None:
    start, end, once = schedule.starts_at, schedule.ends_at, schedule.once_at
    if start and end and end < start:
        raise InvalidSchedule("ends_at", "The end lies before the start.")
    if once and start and once < start:
        raise InvalidSchedule("once_at", "The date and time lies before the start.")
    if once and end and once > end:
        raise InvalidSchedule("once_at", "The date and time lies after the end.")
    if now is not None and once and once <= now:
        raise InvalidSchedule("once_at", "The date and time has passed already.")
    if now is not None and end and end <= now:
        raise InvalidSchedule("ends_at", "The end has passed already.")


def _check_due_times(schedule: Schedule, now: datetime | None, slot_interval_s: float) -> None:
    """Refuse what is never due, although each field alone can be read."""
    start = max(filter(None, (schedule.starts_at, EARLIEST, now)))
    before = start if start == now else start - _TICK
    if schedule.next_after(before, slot_interval_s=slot_interval_s) is not None:
        return
    if schedule.ends_at is not None:
        since = "the start" if schedule.starts_at == start else "now" if now else "1970"
        raise InvalidSchedule("ends_at", f"There is no due time between {since} and the end.")
    if schedule.cron is not None:
        raise InvalidSchedule("cron", "No day matches this expression within 50 years.")
    raise InvalidSchedule("starts_at", "There is no due time after the start before the year 3000.")
