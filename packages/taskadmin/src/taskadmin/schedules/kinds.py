"""Kinds of schedules, and the range of due times."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

#: Origin of common slots, and of intervals without a start.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Range of all due times.
EARLIEST_DUE = EPOCH
LATEST_DUE = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)


class ScheduleKind(StrEnum):
    """How due times are defined."""

    #: The common slot, whose length is a setting.
    SLOT = "slot"
    INTERVAL = "interval"
    CRON = "cron"
    ONCE = "once"
