"""A schedule: what people set, and the due times that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .checks import check, known_kind
from .cron import parse_cron
from .cron_times import CronTimes
from .grid import Grid, Once
from .kinds import EARLIEST, EPOCH, LATEST, ScheduleKind
from .zones import get_zone

_TICK = timedelta(microseconds=1)


class _DueTimes(Protocol):
    def after(self, moment: datetime) -> datetime | None: ...
    def upto(self, moment: datetime) -> datetime | None: ...
    def count(self, after: datetime, upto: datetime, limit: int) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a task is due, from ``starts_at`` to ``ends_at``, both included.

    ``make_schedule`` makes one that is checked; a schedule that was stored is made
    without, so that what has become impossible can still be shown.

    Attributes:
        every_s: Seconds between two due times, for kind interval. They count from
            ``starts_at``, otherwise from 1970-01-01 UTC: never from a process's start.
        cron: Five fields, for kind cron; they count in ``zone``.
        zone: IANA name; all times are shown in it.
        once_at: The due time, for kind once; like the start and the end it becomes UTC.
    """

    kind: ScheduleKind = ScheduleKind.SLOT
    every_s: int | None = None
    cron: str | None = None
    zone: str = "UTC"
    once_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        # Python compares two times of one zone by what its clocks show, which is wrong in
        # a repeated hour: hence UTC throughout. ``check`` refuses times without a zone.
        for field in ("once_at", "starts_at", "ends_at"):
            moment: datetime | None = getattr(self, field)
            if moment is not None and moment.utcoffset() is not None:
                object.__setattr__(self, field, _utc(moment))

    def check(self, *, now: datetime | None = None, slot_interval_s: float | None = None) -> None:
        """See whether it can be kept.

        Args:
            now: If given, what could only have been due before it is refused too.
            slot_interval_s: Seconds; without it, the due times of kind slot aren't looked at.

        Raises:
            InvalidSchedule: With the field and a sentence for whoever entered it.
        """
        check(self, now=now, slot_interval_s=slot_interval_s)

    def next_after(self, moment: datetime, *, slot_interval_s: float) -> datetime | None:
        """The first due time after *moment* (UTC), or None if there is none any more.

        For cron, "none any more" is: none within 50 years.

        Args:
            moment: An aware time.
            slot_interval_s: Length of the common slot in seconds; only kind slot uses it.

        Raises:
            InvalidSchedule: If the cron expression or the zone can't be read.
        """
        moment = max(_utc(moment), self._first - _TICK)
        if moment >= self._last:
            return None
        due = self._due_times(slot_interval_s).after(moment)
        return due if due is not None and due <= self._last else None

    def last_upto(self, moment: datetime, *, slot_interval_s: float) -> datetime | None:
        """The last due time that isn't after *moment* (UTC); otherwise as ``next_after``."""
        moment = min(_utc(moment), self._last)
        if moment < self._first:
            return None
        due = self._due_times(slot_interval_s).upto(moment)
        return due if due is not None and due >= self._first else None

    def count_between(
        self, after: datetime, upto: datetime, limit: int, *, slot_interval_s: float
    ) -> int:
        """How many due times lie after the one moment and up to the other, at most *limit*.

        Of kind cron, up to *limit* due times are computed; otherwise it is arithmetic.
        """
        after, upto = max(_utc(after), self._first - _TICK), min(_utc(upto), self._last)
        if after >= upto or limit <= 0:
            return 0
        return self._due_times(slot_interval_s).count(after, upto, limit)

    def moved_from(self, due: datetime) -> datetime | None:
        """The local time, without a zone, that clocks skip and that *due* makes up for."""
        if self.kind is not ScheduleKind.CRON:
            return None
        assert self.cron is not None
        return CronTimes(parse_cron(self.cron), get_zone(self.zone)).moved_from(due)

    @property
    def _first(self) -> datetime:
        return max(self.starts_at, EARLIEST) if self.starts_at else EARLIEST

    @property
    def _last(self) -> datetime:
        return min(self.ends_at, LATEST) if self.ends_at else LATEST

    def _due_times(self, slot_interval_s: float) -> _DueTimes:
        match self.kind:
            case ScheduleKind.SLOT:
                return Grid(EPOCH, timedelta(seconds=slot_interval_s))
            case ScheduleKind.INTERVAL:
                assert self.every_s is not None
                return Grid(self.starts_at or EPOCH, timedelta(seconds=self.every_s))
            case ScheduleKind.CRON:
                assert self.cron is not None
                return CronTimes(parse_cron(self.cron), get_zone(self.zone))
            case ScheduleKind.ONCE:
                assert self.once_at is not None
                return Once(self.once_at)


def make_schedule(
    kind: ScheduleKind | str,
    *,
    every_s: int | None = None,
    cron: str | None = None,
    zone: str = "UTC",
    once_at: datetime | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    now: datetime | None = None,
    slot_interval_s: float | None = None,
) -> Schedule:
    """A schedule that can be kept; its cron expression has single spaces.

    Args and errors are those of ``Schedule`` and ``Schedule.check``; an unknown kind is
    refused too.
    """
    schedule = Schedule(
        kind=known_kind(kind),
        every_s=every_s,
        cron=None if cron is None else " ".join(cron.split()),
        zone=zone.strip(),
        once_at=once_at,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    schedule.check(now=now, slot_interval_s=slot_interval_s)
    return schedule


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment} has no zone; expected an aware time.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of the year 1 or 9999
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return first if moment.year == 1 else last
