"""Durations in words, with a whole text for each unit, since languages inflect them differently."""

from __future__ import annotations

from datetime import timedelta

from ..translation.texts import gettext, listed, ngettext, number

_UNIT_SECONDS = {"day": 86_400, "hour": 3600, "minute": 60}


def duration_in_words(duration: timedelta) -> str:
    """Format a duration in days and smaller units: “1 hour and 30 minutes”."""
    parts = [_in_unit(count, unit) for count, unit in _parts(duration)]
    return listed(parts)


def every_in_words(duration: timedelta) -> str:
    """Format an interval: “every hour”, “every 5 minutes”, “every 1 hour and 30 minutes”."""
    parts = _parts(duration)
    if len(parts) > 1:
        # Translators: such as “every 1 hour and 30 minutes”.
        return gettext("every %(duration)s", duration=duration_in_words(duration))
    return every(*parts[0])


def every(count: float, unit: str) -> str:
    """Format “every hour” or “every 5 minutes”; units are day, hour, minute and second."""
    return _every_one(unit) if count == 1 else _every_some(count, unit)


def _parts(duration: timedelta) -> list[tuple[float, str]]:
    """Split a duration into units, largest first; at least one part."""
    left = duration
    parts: list[tuple[float, str]] = []
    for unit, size in _UNIT_SECONDS.items():
        count, left = divmod(left, timedelta(seconds=size))
        if count:
            parts.append((count, unit))
    seconds = float(f"{left.total_seconds():g}")
    if seconds or not parts:
        parts.append((int(seconds) if seconds.is_integer() else seconds, "second"))
    return parts


def _plural_of(count: float) -> int:
    # Catalogues have no plural rule for fractions; that of 2 fits best.
    return count if isinstance(count, int) else 2


def _in_unit(count: float, unit: str) -> str:
    plural, num = _plural_of(count), number(count)
    match unit:
        case "day":
            return ngettext("%(num)s day", "%(num)s days", plural, num=num)
        case "hour":
            return ngettext("%(num)s hour", "%(num)s hours", plural, num=num)
        case "minute":
            return ngettext("%(num)s minute", "%(num)s minutes", plural, num=num)
        case _:
            return ngettext("%(num)s second", "%(num)s seconds", plural, num=num)


def _every_one(unit: str) -> str:
    match unit:
        case "day":
            return gettext("every day")
        case "hour":
            return gettext("every hour")
        case "minute":
            return gettext("every minute")
        case _:
            return gettext("every second")


def _every_some(count: float, unit: str) -> str:
    plural, num = _plural_of(count), number(count)
    # The singular is for languages that use it for 21, 31 and so on; 1 is in _every_one.
    match unit:
        case "day":
            return ngettext("every %(num)s day", "every %(num)s days", plural, num=num)
        case "hour":
            return ngettext("every %(num)s hour", "every %(num)s hours", plural, num=num)
        case "minute":
            return ngettext("every %(num)s minute", "every %(num)s minutes", plural, num=num)
        case _:
            return ngettext("every %(num)s second", "every %(num)s seconds", plural, num=num)
