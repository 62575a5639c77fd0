"""What a schedule has to be like, in sentences for whoever enters one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..texts import gettext, marked
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
    ScheduleKind.INTERVAL: ("every_s", marked("An interval needs its length.")),
    ScheduleKind.CRON: ("cron", marked("A cron schedule needs its expression, like “30 2 * * *”.")),
    ScheduleKind.ONCE: ("once_at", marked("A single run needs its date and time.")),
}
#: What is said of times without a zone, and of those that lie too far away.
_TIMES = {
    "once_at": (
        marked("The date and time needs a time zone."),
        marked("The date and time must lie in the years 1970 to 2999."),
    ),
    "starts_at": (
        marked("The start needs a time zone."),
        marked("The start must lie in the years 1970 to 2999."),
    ),
    "ends_at": (
        marked("The end needs a time zone."),
        marked("The end must lie in the years 1970 to 2999."),
    ),
}


def check(schedule: Schedule, *, now: datetime | None, slot_interval_s: float | None) -> None:
    """See ``Schedule.check``."""
    now = now.astimezone(UTC) if now is not None else None
    _check_fields(schedule)
    get_zone(schedule.zone)
    _check_length(schedule.every_s)
    for field, (without_zone, far_away) in _TIMES.items():
        moment: datetime | None = getattr(schedule, field)
        if moment is not None and moment.utcoffset() is None:
            raise InvalidSchedule(field, gettext(without_zone))
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise InvalidSchedule(field, gettext(far_away))
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
            "kind",
            gettext(
                "There is no kind of schedule “%(kind)s”; expected one of %(kinds)s.",
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
                field, gettext("Only the kind %(kind)s has this; leave it empty.", kind=kind)
            )


def _check_length(every_s: int | None) -> None:
    if every_s is None:
        return
    # True is an int too; YAML has both.
    if isinstance(every_s, bool) or not isinstance(every_s, int):
        raise InvalidSchedule("every_s", gettext("The interval must be a whole number of seconds."))
    if not SHORTEST <= every_s <= LONGEST:
        raise InvalidSchedule("every_s", gettext("The interval must be 1 second to 366 days long."))


def _check_bounds(schedule: Schedule, now: datetime | None) -> None:
    start, end, once = schedule.starts_at, schedule.ends_at, schedule.once_at
    if start and end and end < start:
        raise InvalidSchedule("ends_at", gettext("The end lies before the start."))
    if once and start and once < start:
        raise InvalidSchedule("once_at", gettext("The date and time lies before the start."))
    if once and end and once > end:
        raise InvalidSchedule("once_at", gettext("The date and time lies after the end."))
    if now is not None and once and once <= now:
        raise InvalidSchedule("once_at", gettext("The date and time has passed already."))
    if now is not None and end and end <= now:
        raise InvalidSchedule("ends_at", gettext("The end has passed already."))


def _check_due_times(schedule: Schedule, now: datetime | None, slot_interval_s: float) -> None:
    """Refuse what is never due, although each field alone can be read."""
    start = max(filter(None, (schedule.starts_at, EARLIEST, now)))
    before = start if start == now else start - _TICK
    if schedule.next_after(before, slot_interval_s=slot_interval_s) is not None:
        return
    if schedule.ends_at is not None:
        if schedule.starts_at == start:
            message = gettext("There is no due time between the start and the end.")
        elif now:
            message = gettext("There is no due time between now and the end.")
        else:
            message = gettext("There is no due time between 1970 and the end.")
        raise InvalidSchedule("ends_at", message)
    if schedule.cron is not None:
        raise InvalidSchedule("cron", gettext("No day matches this expression within 50 years."))
    raise InvalidSchedule(
        "starts_at", gettext("There is no due time after the start before the year 3000.")
    )
