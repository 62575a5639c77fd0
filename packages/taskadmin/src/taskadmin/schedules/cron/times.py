"""Due times of cron expressions in zones with clock changes.

The rule is that of Debian's crontab(5), without its limit of three hours:

- If the minute or the hour starts with a star, the expression follows **real time**: it is due
  whenever clocks show a matching time. A time that occurs twice is due twice, a skipped time isn't
  due.
- Every other expression is **fixed**: each matching time of each day is due once. A time that
  occurs twice is due at the first occurrence; a skipped time is due at the first instant after the
  gap, together with all others that are moved there.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ..zones import end_of_gap, instant, offsets, wall_time
from .expression import CronExpression


class CronTimes:
    """The due times of one expression in one zone."""

    def __init__(self, expression: CronExpression, zone: ZoneInfo) -> None:
        self._expression = expression
        self._zone = zone

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due time after *moment*."""
        wall = wall_time(moment, self._zone)
        starts = [wall]
        first, second = offsets(wall, self._zone)
        if first > second and not wall.fold:
            # Earlier wall times occur again in the second pass.
            starts.append(wall - (first - second))
        return min(filter(None, (self._after(start, moment) for start in starts)), default=None)

    def until(self, moment: datetime) -> datetime | None:
        """Return the last due time up to *moment*."""
        wall = wall_time(moment, self._zone)
        starts = [wall]
        first, second = offsets(wall, self._zone)
        if first > second and wall.fold:
            # Later wall times have occurred already in the first pass.
            starts.append(wall + (first - second))
        return max(filter(None, (self._until(start, moment) for start in starts)), default=None)

    def count(self, after: datetime, until: datetime, limit: int) -> int:
        """Count the due times after *after* and up to *until*, up to *limit*."""
        count = 0
        while count < limit:
            due = self.after(after)
            if due is None or due > until:
                break
            after = due
            count += 1
        return count

    def moved_from(self, due: datetime) -> datetime | None:
        """Return the skipped wall time that *due* replaces, if nothing else is due then."""
        wall = wall_time(due, self._zone)
        if self._expression.by_real_time or self._expression.matches(wall):
            return None
        return next(self._expression.all_until(wall), None)

    def _after(self, start: datetime, moment: datetime) -> datetime | None:
        """Return the first due time after *moment* of wall times after *start*."""
        for match in self._expression.all_after(start):
            for due in self._dues(match):
                if due > moment:
                    return due
        return None

    def _until(self, start: datetime, moment: datetime) -> datetime | None:
        """Return the last due time up to *moment* of wall times up to *start*."""
        for match in self._expression.all_until(start):
            for due in reversed(self._dues(match)):
                if due <= moment:
                    return due
        return None

    def _dues(self, match: datetime) -> tuple[datetime, ...]:
        """Return the instants at which a matching wall time is due, in order."""
        first, second = offsets(match, self._zone)
        if first == second:
            return (instant(match, first),)
        if self._expression.by_real_time:
            return (instant(match, first), instant(match, second)) if first > second else ()
        return (instant(match, first) if first > second else end_of_gap(match, self._zone),)
