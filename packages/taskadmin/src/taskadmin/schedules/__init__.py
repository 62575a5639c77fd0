"""Due times of tasks: pure arithmetic, without database, Flask or Celery."""

from __future__ import annotations

from .definition import Schedule, make_schedule
from .invalid import InvalidSchedule
from .kinds import ScheduleKind
from .preview import Occurrence, preview
from .words import in_lines, in_words

__all__ = [
    "InvalidSchedule",
    "Occurrence",
    "Schedule",
    "ScheduleKind",
    "in_lines",
    "in_words",
    "make_schedule",
    "preview",
]
