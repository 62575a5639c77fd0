"""Due times at equal intervals, and single ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Grid:
    """A due time at *anchor* and every *step* before and after it."""

    anchor: datetime
    step: timedelta

    def after(self, moment: datetime) -> datetime:
        return self._number(self._index(moment) + 1)

    def until(self, moment: datetime) -> datetime:
        return self._number(self._index(moment))

    def count(self, after: datetime, until: datetime, limit: int) -> int:
        return min(self._index(until) - self._index(after), limit)

    def _index(self, moment: datetime) -> int:
        # Division of timedeltas by timedeltas is exact, to the microsecond.
        return (moment - self.anchor) // self.step

    def _number(self, index: int) -> datetime:
        return self.anchor + index * self.step


@dataclass(frozen=True, slots=True)
class Once:
    """One due time."""

    at: datetime

    def after(self, moment: datetime) -> datetime | None:
        return self.at if self.at > moment else None

    def until(self, moment: datetime) -> datetime | None:
        return self.at if self.at <= moment else None

    def count(self, after: datetime, until: datetime, limit: int) -> int:
        return min(int(after < self.at <= until), limit)
