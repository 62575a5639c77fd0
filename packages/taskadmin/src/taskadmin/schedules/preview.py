"""The next due times, with notes about clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..translation.texts import gettext
from .definition import Schedule
from .durations import duration_in_words
from .zones import get_zone


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A due time.

    Attributes:
        at: UTC.
        local: The same moment in the schedule's zone.
        dst: A note about a clock change; None without one.
    """

    at: datetime
    local: datetime
    dst: str | None = None


def preview(
    schedule: Schedule, now: datetime, *, n: int = 5, slot_interval_seconds: float
) -> list[Occurrence]:
    """Return the next *n* due times after *now*, or fewer if there are no more.

    Args:
        now: An aware time.
        slot_interval_seconds: Length of the common slot in seconds.

    Raises:
        InvalidSchedule: If the cron expression or the zone can't be read.
    """
    zone = get_zone(schedule.zone)
    occurrences: list[Occurrence] = []
    previous = now.astimezone(zone)
    due = schedule.next_after(now, slot_interval_seconds=slot_interval_seconds)
    while due is not None and len(occurrences) < n:
        local = due.astimezone(zone)
        occurrences.append(Occurrence(due, local, _marks(schedule, previous, local)))
        previous = local
        due = schedule.next_after(due, slot_interval_seconds=slot_interval_seconds)
    return occurrences


def _marks(schedule: Schedule, previous: datetime, local: datetime) -> str | None:
    """Return the notes about a due time."""
    marks = [_change(previous, local), _skipped(schedule, local), _repeated(local)]
    return "; ".join(mark for mark in marks if mark) or None


def _change(previous: datetime, local: datetime) -> str | None:
    before, after = previous.utcoffset(), local.utcoffset()
    assert before is not None and after is not None
    if before == after:
        return None
    length = duration_in_words(abs(after - before))
    if after > before:
        return gettext("clocks go forward %(length)s before this one", length=length)
    return gettext("clocks go back %(length)s before this one", length=length)


def _skipped(schedule: Schedule, local: datetime) -> str | None:
    skipped = schedule.moved_from(local.astimezone(UTC))
    if skipped is None:
        return None
    if skipped.date() == local.date():
        return gettext(
            "%(time)s doesn't exist on this day, so it runs right after the change",
            time=f"{skipped:%H:%M}",
        )
    return gettext(
        "%(moment)s doesn't exist, so it runs right after the change",
        moment=f"{skipped:%Y-%m-%d %H:%M}",
    )


def _repeated(local: datetime) -> str | None:
    zone = local.tzinfo
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    assert zone is not None and first is not None and second is not None
    if first - second <= timedelta(0):
        return None
    time = f"{local:%H:%M}"
    if local.fold:
        return gettext("%(time)s occurs twice on this day; this is the second", time=time)
    return gettext("%(time)s occurs twice on this day; this is the first", time=time)
