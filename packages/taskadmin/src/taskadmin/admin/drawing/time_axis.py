"""Ticks of a chart's time axis, at round local times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import NamedTuple

from babel import dates

from ...translation.i18n import locale, zone

_DAY = timedelta(days=1)
#: Possible distances between two labels.
_LABEL_INTERVALS = [
    *(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 15, 30)),
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 56, 112)),
]


class Tick(NamedTuple):
    """One tick of the axis."""

    moment: datetime
    label: str


def ticks(begin: datetime, end: datetime, *, most: int) -> list[Tick]:
    """Return round times from *begin* to *end*: at least one, at most *most*."""
    span = end - begin
    step = next((step for step in _LABEL_INTERVALS if span < step * most), None)
    if step is None:
        step = _DAY * math.ceil(span / most / _DAY)
    moments = [moment for moment in _steps(begin, step) if begin <= moment <= end]
    return [Tick(one, _label(one, step, span)) for one in moments] or [
        Tick(begin, _label(begin, timedelta(seconds=1), span))
    ]


def _steps(begin: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield local times from shortly before *begin*; noon stays noon across DST changes."""
    midnight = datetime.combine(begin.astimezone(zone()).date(), time())
    if step >= _DAY:
        midnight -= midnight.toordinal() % step.days * _DAY
    wall = midnight + (begin.astimezone(zone()).replace(tzinfo=None) - midnight) // step * step
    for number in range(-1, 40):
        yield (wall + number * step).replace(tzinfo=zone()).astimezone(begin.tzinfo)


def _label(moment: datetime, step: timedelta, span: timedelta) -> str:
    local = moment.astimezone(zone())
    if step >= _DAY:
        skeleton = "yMMMd" if span > 300 * _DAY else "MMMd"
        return str(dates.format_skeleton(skeleton, local.date(), locale=locale()))
    if span >= _DAY and local.time() == time():
        return str(dates.format_skeleton("MMMd", local.date(), locale=locale()))
    style = "medium" if step < timedelta(minutes=1) else "short"
    return str(dates.format_time(local, style, locale=locale()))
