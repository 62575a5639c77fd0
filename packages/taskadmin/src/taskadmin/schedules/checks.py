"""Validate schedules, with messages for the person who enters one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..translation.texts import gettext, marked
from .cron.expression import parse_cron
from .invalid import InvalidSchedule
from .kinds import EARLIEST_DUE, LATEST_DUE, ScheduleKind
from .zones import get_zone

if TYPE_CHECKING:
    from .definition import Schedule

#: Bounds of an interval in seconds: one second, and a leap year.
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 1, 366 * 86_400

_TICK = timedelta(microseconds=1)

#: The field that each kind needs and no other kind has.
_FIELD_OF_KIND = {
    ScheduleKind.INTERVAL: ("every_seconds", marked("An interval needs a length.")),
    ScheduleKind.CRON: (
        "cron",
        marked("A cron schedule needs an expression, such as “30 2 * * *”."),
    ),
    ScheduleKind.ONCE: ("once_at", marked("A single run needs a date and time.")),
}
#: Messages for times without a zone, and for times out of range.
_TIMES = {
    "once_at": (
        marked("The date and time needs a time zone."),
        marked("The date and time must be in the years 1970 to 2999."),
    ),
    "starts_at": (
        marked("The start needs a time zone."),
        marked("The start must be in the years 1970 to 2999."),
    ),
    "ends_at": (
        marked("The end needs a time zone."),
        marked("The end must be in the years 1970 to 2999."),
    ),
}


def check(schedule: Schedule, *, now: datetime | None, slot_interval_seconds: float | None) -> None:
    """See ``Schedule.check``."""
    now = now.astimezone(UTC) if now is not None else None
    _check_fields(schedule)
    get_zone(schedule.zone)
    check_length(schedule.every_seconds)
    for field, (without_zone, far_away) in _TIMES.items():
        moment: datetime | None = getattr(schedule, field)
        if moment is not None and moment.utcoffset() is None:
            raise InvalidSchedule(field, gettext(without_zone))
        if moment is not None and not EARLIEST_DUE <= moment <= LATEST_DUE:
            raise InvalidSchedule(field, gettext(far_away))
    if schedule.cron is not None:
        parse_cron(schedule.cron)
    _check_bounds(schedule, now)
    if schedule.kind is not ScheduleKind.SLOT or slot_interval_seconds is not None:
        _check_due_times(schedule, now, slot_interval_seconds or 1)


def known_kind(kind: str) -> ScheduleKind:
    """Return the kind with this name."""
    try:
        return ScheduleKind(kind)
    except ValueError as error:
        kinds = ", ".join(ScheduleKind)
        raise InvalidSchedule(
            "kind",
            gettext(
                "“%(kind)s” is not a kind of schedule; expected one of %(kinds)s.",
                kind=kind,
                kinds=kinds,
            ),
        ) from error


def _check_fields(schedule: Schedule) -> None:
    for kind, (field, missing) in _FIELD_OF_KIND.items():
        value = getattr(schedule, field)
        if schedule.kind is kind and value in (None, ""):
            raise InvalidSchedule(field, gettext(missing))
        if schedule.kind is not kind and value is not None:
            raise InvalidSchedule(
                field,
                gettext(
                    "Only schedules of the kind %(kind)s have this; leave it empty.", kind=kind
                ),
            )


def check_length(every_seconds: int | None) -> None:
    """Raise ``InvalidSchedule`` if an interval, in seconds, is out of range."""
    if every_seconds is None:
        return
    # True is an int too, and YAML has both.
    if isinstance(every_seconds, bool) or not isinstance(every_seconds, int):
        raise InvalidSchedule(
            "every_seconds", gettext("The interval must be a whole number of seconds.")
        )
    if not MIN_INTERVAL_SECONDS <= every_seconds <= MAX_INTERVAL_SECONDS:
        raise InvalidSchedule(
            "every_seconds", gettext("The interval must be between 1 second and 366 days.")
        )


def _check_bounds(schedule: Schedule, now: datetime | None) -> None:
    start, end, once = schedule.starts_at, schedule.ends_at, schedule.once_at
    if start and end and end < start:
        raise InvalidSchedule("ends_at", gettext("The end is before the start."))
    if once and start and once < start:
        raise InvalidSchedule("once_at", gettext("The date and time is before the start."))
    if once and end and once > end:
        raise InvalidSchedule("once_at", gettext("The date and time is after the end."))
    if now is not None and once and once <= now:
        raise InvalidSchedule("once_at", gettext("The date and time has already passed."))
    if now is not None and end and end <= now:
        raise InvalidSchedule("ends_at", gettext("The end has already passed."))


def _check_due_times(
    schedule: Schedule, now: datetime | None, slot_interval_seconds: float
) -> None:
    """Refuse a schedule that is never due, although each field is valid."""
    start = max(filter(None, (schedule.starts_at, EARLIEST_DUE, now)))
    before = start if start == now else start - _TICK
    if schedule.next_after(before, slot_interval_seconds=slot_interval_seconds) is not None:
        return
    if schedule.ends_at is not None:
        if schedule.starts_at == start:
            message = gettext("No run is due between the start and the end.")
        elif now:
            message = gettext("No run is due between now and the end.")
        else:
            message = gettext("No run is due between 1970 and the end.")
        raise InvalidSchedule("ends_at", message)
    if schedule.cron is not None:
        raise InvalidSchedule("cron", gettext("No day matches this expression within 50 years."))
    raise InvalidSchedule(
        "starts_at", gettext("No run is due between the start and the year 3000.")
    )
