"""Compute due times by brute force, checking the local time of every minute.

Uses neither taskadmin nor cronsim. Expressions consist of sets, so there is no parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MINUTE = timedelta(minutes=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Field:
    """A field's text, and the values that it matches."""

    text: str
    values: frozenset[int]

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


@dataclass(frozen=True)
class Expression:
    """Five fields; days of the week count from 0, Sunday."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        fields = (self.minute, self.hour, self.day, self.month, self.weekday)
        return " ".join(field.text for field in fields)

    @property
    def by_real_time(self) -> bool:
        return self.minute.starred or self.hour.starred

    def matches(self, wall: datetime) -> bool:
        if wall.minute not in self.minute.values or wall.hour not in self.hour.values:
            return False
        if wall.month not in self.month.values:
            return False
        day = wall.day in self.day.values
        weekday = wall.isoweekday() % 7 in self.weekday.values
        return day and weekday if self.day.starred or self.weekday.starred else day or weekday


def due_times(
    expression: Expression, zone: ZoneInfo, start: datetime, end: datetime
) -> list[datetime]:
    """Return all due times from *start* to *end*; clocks change at whole minutes."""
    found = []
    # Start earlier than any clock is ever put back, to know which times were already shown.
    moment = start - timedelta(hours=5)
    shown = (moment - MINUTE).astimezone(zone).replace(tzinfo=None)
    while moment <= end:
        wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        if expression.by_real_time:
            due = expression.matches(wall)
        else:
            due = False
            # Times shown for the first time, and those skipped before.
            while shown < wall:
                shown += MINUTE
                due = due or expression.matches(shown)
        if due and moment >= start:
            found.append(moment)
        moment += MINUTE
    return found


@cache
def changes(name: str, first: datetime = FIRST, last: datetime = LAST) -> tuple[datetime, ...]:
    """Return the moments at which a zone's offset changes."""
    zone = ZoneInfo(name)
    found = []
    day = first
    while day < last:
        # Steps of 12 days: Morocco goes back for Ramadan, for some 30 days.
        following = day + timedelta(days=12)
        if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            low, high = day, following
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day = following
    return tuple(found)


@cache
def changing_zones() -> tuple[str, ...]:
    """Return all zones whose clocks change in these ten years."""
    names = sorted(available_timezones() - {"Factory", "localtime"})
    months = [FIRST + timedelta(days=28) * number for number in range(131)]

    def changing(name: str) -> bool:
        zone = ZoneInfo(name)
        return len({month.astimezone(zone).utcoffset() for month in months}) > 1

    return tuple(name for name in names if changing(name))
