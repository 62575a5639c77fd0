"""Cron expressions on a wall clock without changes; ``times`` applies them to zones.

cronsim parses the expressions and decides which days match (Debian's rules). Its iterator isn't
used: started in the second pass of a repeated hour it returns times before its start, and around
half-hour changes (Australia/Lord_Howe) it omits due times. It is also ten times slower, which
matters for ticks that compute thousands.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from ...translation.texts import gettext, language, marked
from ..invalid import InvalidSchedule

#: Maximum characters; the size of the column.
MAX_CRON_LENGTH = 200

# Feb 29 on a given day of the week occurs every 28 years, and after 40 around 2100.
_MAX_SEARCHED = timedelta(days=366 * 50)
_DAY = timedelta(days=1)
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - cronsim needs a start, which isn't used

#: Messages for invalid fields, by cronsim's field names.
_FIELD_ERRORS = {
    "minute": marked("“%(text)s” isn't a minute: expected 0 to 59."),
    "hour": marked("“%(text)s” isn't an hour: expected 0 to 23."),
    "day-of-month": marked(
        "“%(text)s” isn't a day of the month: expected 1 to 31, or L for the last one."
    ),
    "month": marked("“%(text)s” isn't a month: expected 1 to 12, or JAN to DEC."),
    "day-of-week": marked(
        "“%(text)s” isn't a day of the week: expected 0 to 7, or SUN to SAT, where 0 and 7 are Sunday."
    ),
}
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class CronExpression:
    """A parsed expression of five fields.

    Attributes:
        text: As entered.
        parsed: cronsim's result.
        by_real_time: Whether the minute or hour starts with a star, so that the expression follows
            real time across clock changes (Debian's crontab(5)).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parsed = self.parsed = _parse(text)
        #: Times on a matching day, in minutes after midnight.
        self._times = tuple(sorted(h * 60 + m for h in parsed.hours for m in parsed.minutes))
        minute, hour = text.split()[:2]
        self.by_real_time = minute.startswith("*") or hour.startswith("*")

    def all_after(self, wall: datetime) -> Iterator[datetime]:
        """Yield matching wall times after *wall*, until none matches for 50 years."""
        index = bisect_right(self._times, wall.hour * 60 + wall.minute)
        for day in self._days(wall.date(), _DAY):
            if day > wall.date():
                index = 0
            for minute in self._times[index:]:
                yield _at(day, minute)

    def all_until(self, wall: datetime) -> Iterator[datetime]:
        """Yield matching wall times up to *wall* backwards, until none matches for 50 years."""
        count = bisect_right(self._times, wall.hour * 60 + wall.minute)
        for day in self._days(wall.date(), -_DAY):
            if day < wall.date():
                count = len(self._times)
            for minute in reversed(self._times[:count]):
                yield _at(day, minute)

    def matches(self, wall: datetime) -> bool:
        """Whether *wall* matches; seconds are ignored."""
        minute = wall.hour * 60 + wall.minute
        index = bisect_left(self._times, minute)
        return (
            self._times[index : index + 1] == (minute,)
            and wall.month in self.parsed.months
            and self.parsed.match_day(wall.date())
        )

    def explain(self) -> str:
        return self.parsed.explain()

    def _days(self, day: date, step: timedelta) -> Iterator[date]:
        """Yield matching days from *day* on, forwards or backwards."""
        parsed = self.parsed
        last_match = day
        # The search also ends near the calendar's first and last years.
        while abs(day - last_match) < _MAX_SEARCHED and 1 < day.year < 9999:
            if day.month not in parsed.months:
                day = _next_month(day) if step > timedelta(0) else day.replace(day=1) - _DAY
            else:
                if parsed.match_day(day):
                    last_match = day
                    yield day
                day += step


@lru_cache(maxsize=4096)
def parse_cron(text: str) -> CronExpression:
    """Parse an expression; cached.

    Raises:
        InvalidSchedule: If it isn't valid, or its day never occurs.
    """
    return CronExpression(text)


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(*divmod(minute, 60)))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _parse(text: str) -> CronSim:
    fields = text.split()
    if text.strip().lower() in _NICKNAMES:
        written_out = _NICKNAMES[text.strip().lower()]
        raise _invalid(
            gettext(
                "Names like %(name)s aren't supported: write “%(cron)s”.",
                name=text.strip(),
                cron=written_out,
            )
        )
    if len(fields) != 5:
        raise _invalid(
            gettext(
                "A cron expression has five fields: minute, hour, day of the month, month and day of"
                " the week; “%(text)s” has %(number)s.",
                text=text[:MAX_CRON_LENGTH],
                number=len(fields),
            )
        )
    if len(text) > MAX_CRON_LENGTH:
        raise _invalid(
            gettext(
                "A cron expression can have at most %(most)s characters; this one has %(number)s.",
                most=MAX_CRON_LENGTH,
                number=len(text),
            )
        )
    try:
        return CronSim(text, _ANY_TIME)
    except CronSimError as error:
        raise _invalid(_message_for(fields, str(error))) from error


def _message_for(fields: list[str], cronsim_error: str) -> str:
    """Return the message for cronsim's "Bad day-of-month"."""
    for position, (name, sentence) in enumerate(_FIELD_ERRORS.items()):
        if cronsim_error == f"Bad {name}" and not _is_readable(fields[position], position):
            return gettext(sentence, text=fields[position])
    months = CronSim(f"0 0 * {fields[3]} *", _ANY_TIME).months
    if language() != "en":
        return gettext("There is no such date: day %(day)s never occurs.", day=fields[2])
    names = " or ".join(calendar.month_name[month] for month in sorted(months))
    return f"There is no such date: day {fields[2]} never occurs in {names}."


def _is_readable(field: str, position: int) -> bool:
    alone = ["*"] * 5
    alone[position] = field
    try:
        CronSim(" ".join(alone), _ANY_TIME)
    except CronSimError:
        return False
    return True


def _invalid(message: str) -> InvalidSchedule:
    return InvalidSchedule("cron", message)
