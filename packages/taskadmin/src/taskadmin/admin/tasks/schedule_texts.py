"""Parse and format the times and durations of a schedule form."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ...schedules import InvalidSchedule
from ...schedules.words import duration_in_words
from ...schedules.zones import get_zone, instant, offsets, wall_time
from ...translation.i18n import lazy_gettext
from ...translation.texts import gettext

#: Units in seconds, as a form sends them, with their names.
UNIT_LABELS = {
    "1": lazy_gettext("seconds"),
    "60": lazy_gettext("minutes"),
    "3600": lazy_gettext("hours"),
    "86400": lazy_gettext("days"),
}

_DECIMAL_NUMBER = re.compile(r"\d{1,8}(\.\d{1,6})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_WALL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_SECOND = timedelta(seconds=1)


def read_whole(field: str, text: str) -> int | None:
    """Parse a number of runs; None for an empty text.

    Raises:
        InvalidSchedule: For *field*, with a sentence for the user. The other functions raise the
            same.
    """
    if not text:
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidSchedule(
            field, gettext("Enter a whole number of 1 or more, or leave this empty.")
        )
    return int(text)


def read_seconds(field: str, text: str, unit: int) -> int | None:
    """Parse a duration in whole seconds; *unit* is the number's unit in seconds."""
    if not text:
        return None
    if not _DECIMAL_NUMBER.fullmatch(text):
        raise InvalidSchedule(field, gettext("Enter a number such as 5 or 1.5."))
    length = timedelta(seconds=unit) * float(text)
    if length % _SECOND:
        raise InvalidSchedule(field, gettext("This must be a whole number of seconds."))
    return length // _SECOND


def read_moment(field: str, text: str, zone_name: str) -> datetime | None:
    """Return the moment (UTC) at which clocks in a zone show *text*.

    Of a time that occurs twice, the first is meant. A time that the clocks skip is refused:
    any other would be a guess. Returns None for an empty text, and for an unknown zone, which
    is reported elsewhere.
    """
    if not text:
        return None
    if not _WALL_TIME.fullmatch(text):
        raise InvalidSchedule(field, gettext("Enter a date and a time such as 2026-01-31 14:30."))
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        shown = text.replace("T", " ")
        raise InvalidSchedule(
            field, gettext("%(moment)s does not exist. Check the day and the time.", moment=shown)
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
            field, gettext("The date must be in the years 1970 to 2999.")
        ) from None


def with_unit(seconds: int | None) -> tuple[str, str]:
    """Split a duration into a number and the largest unit in which it is whole."""
    if seconds is None:
        return "", "60"
    if seconds == 0:
        return "0", "1"
    unit = next(unit for unit in reversed(UNIT_LABELS) if seconds % int(unit) == 0)
    return str(seconds // int(unit)), unit


def wall_text(moment: datetime | None, zone_name: str) -> str:
    """Return what clocks in a zone show at *moment*; UTC if the zone no longer exists."""
    if moment is None:
        return ""
    try:
        wall = wall_time(moment, get_zone(zone_name))
    except InvalidSchedule:
        wall = moment.replace(tzinfo=None)
    return wall.isoformat(timespec="auto" if wall.second or wall.microsecond else "minutes")
