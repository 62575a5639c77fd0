"""Quiet hours: a daily span of local time, over midnight if it ends before it begins."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def is_clock_time(text: str) -> bool:
    """Whether *text* is a time such as 07:30."""
    return _CLOCK_TIME.fullmatch(text) is not None


def are_quiet(moment: datetime, begin: str | None, end: str | None, zone: str) -> bool:
    """Whether clocks in *zone* show a time from *begin* to before *end* at *moment*.

    When clocks change, the quiet hours follow the clocks: they may last an hour more or less.
    """
    if begin is None or end is None:
        return False
    shown = moment.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    if begin < end:
        return begin <= shown < end
    return shown >= begin or shown < end
