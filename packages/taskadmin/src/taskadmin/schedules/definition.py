"""``Schedule``: a definition, and its due times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .checks import check, check_length, known_kind
from .cron.expression import parse_cron
from .cron.times import CronTimes
from .grid import Grid, Once
from .kinds import EARLIEST_DUE, EPOCH, LATEST_DUE, ScheduleKind
from .zones import get_zone

_TICK = timedelta(microseconds=1)


class _DueTimes(Protocol):
    def after(self, moment: datetime) -> datetime | None: ...
    def until(self, moment: datetime) -> datetime | None: ...
    def count(self, after: datetime, until: datetime, limit: int) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The due times of a task from ``starts_at`` to ``ends_at``, both included.

    ``make_schedule`` validates; a stored schedule is constructed directly, so that it can be shown
    even if it isn't valid any more.

    Attributes:
        every_seconds: Seconds between due times, for kind interval. They count from ``starts_at``,
            or from 1970-01-01 UTC: never from a process's start.
        cron: Five fields, for kind cron; evaluated in ``zone``.
        zone: IANA name of the zone of cron and of displayed times.
        once_at: The due time, for kind once; converted to UTC like the start and the end.
    """

    kind: ScheduleKind = ScheduleKind.SLOT
    every_seconds: int | None = None
    cron: str | None = None
    zone: str = "UTC"
    once_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        # Python compares times of one zone by their wall time, which is wrong in a repeated hour,
        # so everything is in UTC. ``check`` refuses times without a zone.
        for field in ("once_at", "starts_at", "ends_at"):
            moment: datetime | None = getattr(self, field)
            if moment is not None and moment.utcoffset() is not None:
                object.__setattr__(self, field, _utc(moment))

    def check(
        self, *, now: datetime | None = None, slot_interval_seconds: float | None = None
    ) -> None:
        """Validate the schedule.

        Args:
            now: If given, a schedule without due times after it is refused too.
            slot_interval_seconds: If given, the due times of kind slot are checked too.

        Raises:
            InvalidSchedule: With the field and a message for the person who entered it.
        """
        check(self, now=now, slot_interval_seconds=slot_interval_seconds)

    def next_after(self, moment: datetime, *, slot_interval_seconds: float) -> datetime | None:
        """Return the first due time after *moment* in UTC, or None if there is none.

        For cron, None means: none within 50 years.

        Args:
            moment: An aware time.
            slot_interval_seconds: Length of the common slot in seconds; only kind slot uses it.

        Raises:
            InvalidSchedule: If the cron expression or the zone can't be read.
        """
        moment = max(_utc(moment), self._first - _TICK)
        if moment >= self._last:
            return None
        due = self._due_times(slot_interval_seconds).after(moment)
        return due if due is not None and due <= self._last else None

    def last_until(self, moment: datetime, *, slot_interval_seconds: float) -> datetime | None:
        """Return the last due time up to *moment* in UTC; otherwise like ``next_after``."""
        moment = min(_utc(moment), self._last)
        if moment < self._first:
            return None
        due = self._due_times(slot_interval_seconds).until(moment)
        return due if due is not None and due >= self._first else None

    def count_between(
        self, after: datetime, until: datetime, limit: int, *, slot_interval_seconds: float
    ) -> int:
        """Count the due times after *after* and up to *until*, up to *limit*.

        For cron, up to *limit* due times are computed; for other kinds, this is arithmetic.
        """
        after, until = max(_utc(after), self._first - _TICK), min(_utc(until), self._last)
        if after >= until or limit <= 0:
            return 0
        return self._due_times(slot_interval_seconds).count(after, until, limit)

    def moved_from(self, due: datetime) -> datetime | None:
        """Return the skipped wall time, without a zone, that *due* replaces, or None."""
        if self.kind is not ScheduleKind.CRON:
            return None
        assert self.cron is not None
        return CronTimes(parse_cron(self.cron), get_zone(self.zone)).moved_from(due)

    @property
    def step(self) -> timedelta:
        """The time between due times, for kind interval.

        Raises:
            InvalidSchedule: If the stored value is out of range.
        """
        assert self.every_seconds is not None
        check_length(self.every_seconds)
        return timedelta(seconds=self.every_seconds)

    @property
    def _first(self) -> datetime:
        return max(self.starts_at, EARLIEST_DUE) if self.starts_at else EARLIEST_DUE

    @property
    def _last(self) -> datetime:
        return min(self.ends_at, LATEST_DUE) if self.ends_at else LATEST_DUE

    def _due_times(self, slot_interval_seconds: float) -> _DueTimes:
        match self.kind:
            case ScheduleKind.SLOT:
                return Grid(EPOCH, timedelta(seconds=slot_interval_seconds))
            case ScheduleKind.INTERVAL:
                return Grid(self.starts_at or EPOCH, self.step)
            case ScheduleKind.CRON:
                assert self.cron is not None
                return CronTimes(parse_cron(self.cron), get_zone(self.zone))
            case ScheduleKind.ONCE:
                assert self.once_at is not None
                return Once(self.once_at)


def make_schedule(
    kind: ScheduleKind | str,
    *,
    every_seconds: int | None = None,
    cron: str | None = None,
    zone: str = "UTC",
    once_at: datetime | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    now: datetime | None = None,
    slot_interval_seconds: float | None = None,
) -> Schedule:
    """Create a validated schedule; its cron expression is normalized to single spaces.

    Arguments and errors are those of ``Schedule`` and ``Schedule.check``; an unknown kind is
    refused too.
    """
    schedule = Schedule(
        kind=known_kind(kind),
        every_seconds=every_seconds,
        cron=None if cron is None else " ".join(cron.split()),
        zone=zone.strip(),
        once_at=once_at,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    schedule.check(now=now, slot_interval_seconds=slot_interval_seconds)
    return schedule


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment} has no zone; expected an aware time.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of the year 1 or 9999
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return first if moment.year == 1 else last
