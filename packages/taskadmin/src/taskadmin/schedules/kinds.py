"""Where due times come from, and where they end."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

#: Where common slots and intervals without a start count from.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: No due time lies before or after these.
EARLIEST = EPOCH
LATEST = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)


class ScheduleKind(StrEnum):
    """Where due times come from."""

    #: The common slot, whose length is a setting.
    SLOT = "slot"
    INTERVAL = "interval"
    CRON = "cron"
    ONCE = "once"
