"""Describe cron expressions in languages that cronsim doesn't support.

The words are derived from cronsim's result, not from the text, so that they mean the same. Whole
phrases are joined at commas only, or in an order that works in all languages; an unusual expression
is shown unchanged.
"""

from __future__ import annotations

from collections.abc import Collection

from cronsim import CronSim

from ...translation.texts import day_of_year, gettext, listed, number
from ..durations import every
from .expression import CronExpression

#: Maximum times of a day, or days of a month, to list.
_MAX_LISTED = 8
_EVERY_DAY = frozenset(range(1, 32))
_EVERY_MONTH = frozenset(range(1, 13))
_EVERY_WEEKDAY = frozenset(range(7))


def cron_in_words(expression: CronExpression) -> str:
    """Describe an expression as part of a sentence: “at 02:30 on Mondays”."""
    parsed = expression.parsed
    times = _times(parsed.minutes, parsed.hours)
    rhythm = None if times else _rhythm(parsed.minutes, parsed.hours)
    days = _days(parsed)
    if days is None or not (times or rhythm):
        return gettext("by the cron expression %(expression)s", expression=expression.text)
    if times:
        if not days and parsed.months == _EVERY_MONTH:
            # Translators: such as “at 02:30 and 14:30 every day”.
            return gettext("at %(times)s every day", times=times)
        date = _in_months(days or gettext("every day"), parsed)
        # Translators: such as “at 02:30 on Mondays”.
        return gettext("at %(times)s %(days)s", times=times, days=date)
    assert rhythm is not None
    date = _in_months(days, parsed)
    # Translators: such as “every 5 minutes on Mondays”.
    return gettext("%(every)s %(days)s", every=rhythm, days=date) if date else rhythm


def _times(minutes: Collection[int], hours: Collection[int]) -> str | None:
    """List a few times of the day; None if there are many, or a rhythm describes them better."""
    if (
        len(minutes) * len(hours) > _MAX_LISTED
        or len(hours) == 24
        or _step(hours, 24) in (2, 3, 4, 6)
    ):
        return None
    return listed(
        [f"{hour:02}:{minute:02}" for hour in sorted(hours) for minute in sorted(minutes)]
    )


def _rhythm(minutes: Collection[int], hours: Collection[int]) -> str | None:
    """Describe equal intervals during the day, or during some hours of it."""
    first, last = min(hours), max(hours)
    step = _step(minutes, 60)
    if len(minutes) == 1:
        (minute,) = minutes
        hourly = _step(hours, 24)
        if hourly is not None:
            how_often = every(hourly, "hour")
            if not minute:
                return how_often
            # Translators: such as “every 2 hours at minute 15”.
            return gettext("%(every)s at minute %(minute)s", every=how_often, minute=minute)
        if len(hours) == last - first + 1:
            return _between(every(1, "hour"), first, last, minutes)
        return None
    if len(hours) == 24 and step is None:
        if len(minutes) > _MAX_LISTED:
            return None
        listed_minutes = listed([number(minute) for minute in sorted(minutes)])
        return gettext("every hour at minutes %(minutes)s", minutes=listed_minutes)
    if step is None or len(hours) != last - first + 1:
        return None
    often = every(step, "minute")
    return often if len(hours) == 24 else _between(often, first, last, minutes)


def _between(often: str, first: int, last: int, minutes: Collection[int]) -> str:
    # Translators: such as “every 5 minutes from 08:00 to 17:55”.
    return gettext(
        "%(every)s from %(first)s to %(last)s",
        every=often,
        first=f"{first:02}:{min(minutes):02}",
        last=f"{last:02}:{max(minutes):02}",
    )


def _step(numbers: Collection[int], end: int) -> int | None:
    """Return the step of numbers that evenly divide an hour or day from its start, or None."""
    if len(numbers) < 2 or end % len(numbers):
        return None
    step = end // len(numbers)
    return step if set(numbers) == set(range(0, end, step)) else None


def _days(parsed: CronSim) -> str | None:
    """Describe the days: "" for all days, None if there are no words for them."""
    weekdays = {day % 7 if isinstance(day, int) else day for day in parsed.weekdays}
    all_days, all_weekdays = parsed.days == _EVERY_DAY, weekdays == _EVERY_WEEKDAY
    if parsed.day_and:
        if all_days and all_weekdays:
            return ""
        if all_weekdays:
            return _days_of_month(parsed)
        return _weekdays(weekdays) if all_days else None
    # Debian's rule: a day of the month or a day of the week is enough.
    if all_days or all_weekdays:
        return ""
    first, second = _days_of_month(parsed), _weekdays(weekdays)
    if first is None or second is None:
        return None
    # Translators: such as “on the 13th of the month or on Fridays”.
    return gettext("%(days)s or %(weekdays)s", days=first, weekdays=second)


def _days_of_month(parsed: CronSim) -> str | None:
    days = parsed.days
    if days == {CronSim.LAST}:
        return gettext("on the last day of the month")
    if days == {CronSim.LAST_WEEKDAY}:
        return gettext("on the last day of the month that isn't a Saturday or Sunday")
    if min(days) < 1 or len(days) > _MAX_LISTED:
        return None
    if _is_date(parsed):
        # Translators: such as “on January 31”, each year.
        return gettext("on %(date)s", date=day_of_year(min(parsed.months), min(days)))
    # Translators: a day of the month: 1., 1-го, 1日.
    texts = [gettext("%(day)sth", day=day) for day in sorted(days)]
    if len(texts) == 1:
        return gettext("on the %(day)s of the month", day=texts[0])
    return gettext("on the %(days)s of the month", days=listed(texts))


def _is_date(parsed: CronSim) -> bool:
    """Whether it is a single day of the year."""
    return len(parsed.months) == 1 and len(parsed.days) == 1 and min(parsed.days) > 0


def _in_months(days: str, parsed: CronSim) -> str:
    if parsed.months == _EVERY_MONTH or (_is_date(parsed) and days):
        return days
    months = listed([_in_month(month) for month in sorted(parsed.months)])
    # Translators: such as “on Mondays in January and in July”.
    return gettext("%(days)s %(months)s", days=days, months=months) if days else months


def _in_month(month: int) -> str:
    return (
        gettext("in January"),
        gettext("in February"),
        gettext("in March"),
        gettext("in April"),
        gettext("in May"),
        gettext("in June"),
        gettext("in July"),
        gettext("in August"),
        gettext("in September"),
        gettext("in October"),
        gettext("in November"),
        gettext("in December"),
    )[month - 1]


def _weekdays(weekdays: Collection[int | tuple[int, int]]) -> str | None:
    plain = sorted(day for day in weekdays if isinstance(day, int))
    if len(plain) == len(weekdays):
        if plain == [1, 2, 3, 4, 5]:
            return gettext("from Monday to Friday")
        if plain == [0, 6]:
            return gettext("on Saturdays and Sundays")
        # Lists of days start on Monday.
        return listed([_on(day) for day in sorted(plain, key=lambda day: (day - 1) % 7)])
    if len(weekdays) > 1:
        return None
    ((day, which),) = (item for item in weekdays if not isinstance(item, int))
    if which == CronSim.LAST:
        return _on_last(day % 7)
    return _on_first(day % 7) if which == 1 else None


def _on(weekday: int) -> str:
    return (
        gettext("on Sundays"),
        gettext("on Mondays"),
        gettext("on Tuesdays"),
        gettext("on Wednesdays"),
        gettext("on Thursdays"),
        gettext("on Fridays"),
        gettext("on Saturdays"),
    )[weekday]


def _on_first(weekday: int) -> str:
    return (
        gettext("on the first Sunday of the month"),
        gettext("on the first Monday of the month"),
        gettext("on the first Tuesday of the month"),
        gettext("on the first Wednesday of the month"),
        gettext("on the first Thursday of the month"),
        gettext("on the first Friday of the month"),
        gettext("on the first Saturday of the month"),
    )[weekday]


def _on_last(weekday: int) -> str:
    return (
        gettext("on the last Sunday of the month"),
        gettext("on the last Monday of the month"),
        gettext("on the last Tuesday of the month"),
        gettext("on the last Wednesday of the month"),
        gettext("on the last Thursday of the month"),
        gettext("on the last Friday of the month"),
        gettext("on the last Saturday of the month"),
    )[weekday]
