"""Times and durations of a schedule as a form shows and reads them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ..i18n import lazy_gettext
from ..schedules import InvalidSchedule
from ..schedules.words import duration_in_words
from ..schedules.zones import get_zone, instant, offsets, wall_time
from ..texts import gettext

#: Seconds, as a form sends them, with their names.
UNITS = {
    "1": lazy_gettext("seconds"),
    "60": lazy_gettext("minutes"),
    "3600": lazy_gettext("hours"),
    "86400": lazy_gettext("days"),
}

_NUMBER = re.compile(r"\d{1,8}(\.\d{1,6})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_WALL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_SECOND = timedelta(seconds=1)


def read_whole(field: str, text: str) -> int | None:
    """A number of runs; None for an empty text.

    Raises:
        InvalidSchedule: Of *field*, with a sentence for whoever typed it; so do the others.
    """
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise InvalidSchedule(field, gettext("Enter a whole number from 1, or nothing."))
    return int(text)


def read_seconds(field: str, text: str, unit: int) -> int | None:
    """A duration in whole seconds; *unit* is that of the number, in seconds."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidSchedule(field, gettext("Enter a number such as 5 or 1.5, with a point."))
    length = timedelta(seconds=unit) * float(text)
    if length % _SECOND:
        raise InvalidSchedule(field, gettext("This must come to whole seconds."))
    return length // _SECOND


def read_moment(field: str, text: str, zone_name: str) -> datetime | None:
    """The moment (UTC) at which clocks in a zone show *text*.

    A time that clocks show twice is the first of the two; one that they skip is refused,
    since any other would be a guess. None for an empty text, and where there is no such
    zone, which is said elsewhere.
    """
    if not text:
        return None
    if not _WALL.fullmatch(text):
        raise InvalidSchedule(field, gettext("Enter a date and a time such as 2026-01-31 14:30."))
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        shown = text.replace("T", " ")
        raise InvalidSchedule(
            field, gettext("There is no %(moment)s: check the day and the time.", moment=shown)
        ) from None
    try:
        zone = get_zone(zone_name)
    except InvalidSchedule:
        return None
    try:
        before, after = offsets(wall, zone)
        if before < after:
            raise InvalidSchedule(
                field,
                gettext(
                    "Clocks in %(zone)s skip this time: they go forward by %(length)s."
                    " Choose an earlier or a later one.",
                    zone=zone.key,
                    length=duration_in_words(after - before),
                ),
            )
        return instant(wall, before)
    except OverflowError:
        raise InvalidSchedule(
            field, gettext("The date must lie in the years 1970 to 2999.")
        ) from None


def with_unit(seconds: int | None) -> tuple[str, str]:
    """A number and the largest unit in which it is whole."""
    if seconds is None:
        return "", "60"
    if seconds == 0:
        return "0", "1"
    unit = next(unit for unit in reversed(UNITS) if seconds % int(unit) == 0)
    return str(seconds // int(unit)), unit


def wall_text(moment: datetime | None, zone_name: str) -> str:
    """What clocks in a zone show at *moment*; UTC if there is no such zone any more."""
    if moment is None:
        return ""
    try:
        wall = wall_time(moment, get_zone(zone_name))
    except InvalidSchedule:
        wall = moment.replace(tzinfo=None)
    return wall.isoformat(timespec="auto" if wall.second or wall.microsecond else "minutes")
