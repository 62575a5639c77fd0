"""Due times of cron expressions in zones whose clocks change.

The rule is that of Debian's crontab(5), without its limit of three hours:

- If the minute or the hour begins with a star, the expression goes by **real time**: it is
  due whenever clocks show a matching time. A time that is shown twice is due twice, one
  that is never shown isn't due.
- Every other expression is **fixed**: each matching time of each day is due once. One that
  is shown twice is due at the first of the two; one that is skipped is due at the first
  instant after the gap, together with all others that fall on it.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from .cron import CronExpression
from .zones import end_of_gap, instant, offsets, wall_time


class CronTimes:
    """The due times of one expression in one zone."""

    def __init__(self, expression: CronExpression, zone: ZoneInfo) -> None:
        self._expression = expression
        self._zone = zone

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after *moment*."""
        wall = wall_time(moment, self._zone)
        starts = [wall]
        first, second = offsets(wall, self._zone)
        if first > second and not wall.fold:
            # Earlier times will be shown once more, in the second pass.
            starts.append(wall - (first - second))
        return min(filter(None, (self._after(start, moment) for start in starts)), default=None)

    def upto(self, moment: datetime) -> datetime | None:
        """The last due time that isn't after *moment*."""
        wall = wall_time(moment, self._zone)
        starts = [wall]
        first, second = offsets(wall, self._zone)
        if first > second and wall.fold:
            # Later times have been shown already, in the first pass.
            starts.append(wall + (first - second))
        return max(filter(None, (self._upto(start, moment) for start in starts)), default=None)

    def count(self, after: datetime, upto: datetime, limit: int) -> int:
        """How many are due after the one moment and up to the other, at most *limit*."""
        found = 0
        while found < limit:
            due = self.after(after)
            if due is None or due > upto:
                break
            after = due
            found += 1
        return found

    def moved_from(self, due: datetime) -> datetime | None:
        """The skipped wall time that is made up for at *due*, if it is due for nothing else."""
        wall = wall_time(due, self._zone)
        if self._expression.by_real_time or self._expression.matches(wall):
            return None
        return next(self._expression.all_upto(wall), None)

    def _after(self, start: datetime, moment: datetime) -> datetime | None:
        """When the first wall time after *start* is due that is due after *moment*."""
        for match in self._expression.all_after(start):
            for due in self._dues(match):
                if due > moment:
                    return due
        return None

    def _upto(self, start: datetime, moment: datetime) -> datetime | None:
        """When the last wall time up to *start* was due that was due up to *moment*."""
        for match in self._expression.all_upto(start):
            for due in reversed(self._dues(match)):
                if due <= moment:
                    return due
        return None

    def _dues(self, match: datetime) -> tuple[datetime, ...]:
        """The moments at which a matching wall time is due, in their order."""
        first, second = offsets(match, self._zone)
        if first == second:
            return (instant(match, first),)
        if self._expression.by_real_time:
            return (instant(match, first), instant(match, second)) if first > second else ()
        return (instant(match, first) if first > second else end_of_gap(match, self._zone),)
