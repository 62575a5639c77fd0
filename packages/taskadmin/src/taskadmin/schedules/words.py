"""Schedules in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ..translation.texts import gettext, language
from .cron.expression import parse_cron
from .cron.words import cron_in_words
from .definition import Schedule
from .durations import duration_in_words, every_in_words
from .kinds import ScheduleKind
from .zones import get_zone, offsets

__all__ = ["duration_in_words", "in_lines", "in_words", "moment_in_words"]

# cronsim's ordinals are right for 1st to 9th only: “21th”.
_WRONG_ORDINAL = re.compile(r"\b([2-5])([123])th\b")
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}


def in_words(schedule: Schedule, slot_interval_seconds: float) -> str:
    """Describe a schedule as part of a sentence: “at 02:30 on Monday, in Europe/Berlin”.

    In English, cronsim describes cron expressions itself: its words match its parser, even for a
    day of the month combined with a day of the week (either is enough), and for L and #. Other
    languages are in ``cron.words``.

    Args:
        slot_interval_seconds: Length of the common slot in seconds.

    Raises:
        InvalidSchedule: If the cron expression or the zone can't be read.
    """
    words = _rhythm(schedule, slot_interval_seconds)
    zone = schedule.zone
    if schedule.starts_at and schedule.ends_at:
        # Translators: such as “every 5 minutes, from 2027-01-01 09:00 UTC, until …”.
        return gettext(
            "%(rhythm)s, from %(start)s, until %(end)s",
            rhythm=words,
            start=moment_in_words(schedule.starts_at, zone),
            end=moment_in_words(schedule.ends_at, zone),
        )
    if schedule.starts_at:
        start = moment_in_words(schedule.starts_at, zone)
        return gettext("%(rhythm)s, from %(start)s", rhythm=words, start=start)
    if schedule.ends_at:
        end = moment_in_words(schedule.ends_at, zone)
        return gettext("%(rhythm)s, until %(end)s", rhythm=words, end=end)
    return words


def in_lines(schedule: Schedule, slot_interval_seconds: float) -> tuple[str, str]:
    """Describe a schedule in two lines for columns: “at 02:30 on Monday” and “Europe/Berlin”.

    Raises:
        InvalidSchedule: If the cron expression or the zone can't be read.
    """
    first, second = _first_lines(schedule, slot_interval_seconds)
    zone, more = schedule.zone, [second] if second else []
    if schedule.starts_at:
        more.append(gettext("from %(start)s", start=moment_in_words(schedule.starts_at, zone)))
    if schedule.ends_at:
        more.append(gettext("until %(end)s", end=moment_in_words(schedule.ends_at, zone)))
    return first, " · ".join(more)


def _first_lines(schedule: Schedule, slot_interval_seconds: float) -> tuple[str, str]:
    match schedule.kind:
        case ScheduleKind.SLOT:
            every = every_in_words(timedelta(seconds=slot_interval_seconds))
            return gettext("common slot"), every
        case ScheduleKind.CRON:
            assert schedule.cron is not None
            return _cron(schedule.cron), get_zone(schedule.zone).key
        case ScheduleKind.ONCE:
            assert schedule.once_at is not None
            return gettext("once"), moment_in_words(schedule.once_at, schedule.zone)
        case _:
            return _rhythm(schedule, slot_interval_seconds), ""


def moment_in_words(moment: datetime, zone: str) -> str:
    """Format a moment in a zone: “2027-01-01 09:00 UTC”; with the offset if it is ambiguous."""
    local = moment.astimezone(get_zone(zone))
    wall = local.replace(tzinfo=None)
    text = wall.strftime("%Y-%m-%d %H:%M" + (":%S" if wall.second else ""))
    first, second = offsets(wall, get_zone(zone))
    offset = f" (UTC{local.isoformat()[-6:]})" if first != second else ""
    return f"{text} {zone}{offset}"


def _rhythm(schedule: Schedule, slot_interval_seconds: float) -> str:
    match schedule.kind:
        case ScheduleKind.SLOT:
            every = every_in_words(timedelta(seconds=slot_interval_seconds))
            return gettext("in the common slot, %(every)s", every=every)
        case ScheduleKind.INTERVAL:
            return every_in_words(schedule.step)
        case ScheduleKind.CRON:
            assert schedule.cron is not None
            zone = get_zone(schedule.zone).key
            # Translators: such as “at 02:30 every day, in Europe/Berlin”.
            return gettext("%(cron)s, in %(zone)s", cron=_cron(schedule.cron), zone=zone)
        case ScheduleKind.ONCE:
            assert schedule.once_at is not None
            moment = moment_in_words(schedule.once_at, schedule.zone)
            return gettext("once on %(moment)s", moment=moment)


def _cron(text: str) -> str:
    expression = parse_cron(text)
    if language() != "en":
        return cron_in_words(expression)
    words = _WRONG_ORDINAL.sub(lambda m: m[1] + m[2] + _ENDINGS[m[2]], expression.explain())
    return words[0].lower() + words[1:]
