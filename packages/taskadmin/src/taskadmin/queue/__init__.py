"""Celery: the launcher, the worker's side of a run, what beat sends."""

from .embedded import EMBEDDED_CELERY, EmbeddedProcesses
from .extension import TaskQueue
from .names import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from .round_trip import RoundTrip, measure_round_trip

__all__ = [
    "DEAD_QUEUE",
    "EMBEDDED_CELERY",
    "LAUNCH_QUEUE",
    "RUNS_QUEUE",
    "EmbeddedProcesses",
    "RoundTrip",
    "TaskQueue",
    "measure_round_trip",
]
