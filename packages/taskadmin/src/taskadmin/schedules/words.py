"""Schedules in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import humanize

from .cron import parse_cron
from .definition import Schedule
from .kinds import ScheduleKind
from .zones import get_zone, offsets

# cronsim's ordinals know 1st to 9th only: “21th”.
_WRONG_ORDINAL = re.compile(r"\b([2-5])([123])th\b")
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}


def in_words(schedule: Schedule, slot_interval_s: float) -> str:
    """When it is due, as the part of a sentence: “at 02:30 on Monday, in Europe/Berlin”.

    cronsim's own words are used for cron: they follow the parser that decides, also where
    a day of the month and a day of the week are given (either is enough) and for L and #.

    Args:
        slot_interval_s: Length of the common slot in seconds.

    Raises:
        InvalidSchedule: If the cron expression or the zone can't be read.
    """
    parts = [_rhythm(schedule, slot_interval_s)]
    if schedule.starts_at:
        parts.append(f"from {moment_in_words(schedule.starts_at, schedule.zone)}")
    if schedule.ends_at:
        parts.append(f"until {moment_in_words(schedule.ends_at, schedule.zone)}")
    return ", ".join(parts)


def duration_in_words(duration: timedelta) -> str:
    """A duration in days and less: “1 hour and 30 minutes”."""
    return humanize.precisedelta(duration, suppress=("months", "years"), format="%g")


def moment_in_words(moment: datetime, zone: str) -> str:
    """A moment in a zone: “2027-01-01 09:00 UTC”, with the offset where clocks show it twice."""
    local = moment.astimezone(get_zone(zone))
    wall = local.replace(tzinfo=None)
    text = wall.strftime("%Y-%m-%d %H:%M" + (":%S" if wall.second else ""))
    first, second = offsets(wall, get_zone(zone))
    offset = f" (UTC{local.isoformat()[-6:]})" if first != second else ""
    return f"{text} {zone}{offset}"


def _rhythm(schedule: Schedule, slot_interval_s: float) -> str:
    match schedule.kind:
        case ScheduleKind.SLOT:
            return f"in the common slot, {_every(slot_interval_s)}"
        case ScheduleKind.INTERVAL:
            assert schedule.every_s is not None
            return _every(schedule.every_s)
        case ScheduleKind.CRON:
            assert schedule.cron is not None
            words = parse_cron(schedule.cron).explain()
            words = _WRONG_ORDINAL.sub(lambda m: m[1] + m[2] + _ENDINGS[m[2]], words)
            return f"{words[0].lower()}{words[1:]}, in {get_zone(schedule.zone).key}"
        case ScheduleKind.ONCE:
            assert schedule.once_at is not None
            return f"once on {moment_in_words(schedule.once_at, schedule.zone)}"


def _every(seconds: float) -> str:
    words = duration_in_words(timedelta(seconds=seconds))
    # “every hour”, not “every 1 hour”; but “every 1 hour and 30 minutes”.
    return f"every {words[2:] if re.fullmatch('1 [a-z]+', words) else words}"
