"""The Celery side: launcher, workers, publishing, and beat's schedule."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .celery_app.queues import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from .extension import TaskQueue

if TYPE_CHECKING:
    from .embedded import EMBEDDED_CELERY, EmbeddedProcesses
    from .round_trip import RoundTrip, measure_round_trip
else:
    # Only demos, tests and pings need these: no worker and no other command should import Celery's
    # worker, beat and reply queues.
    _MODULES = {
        "EMBEDDED_CELERY": "embedded",
        "EmbeddedProcesses": "embedded",
        "RoundTrip": "round_trip",
        "measure_round_trip": "round_trip",
    }

    def __getattr__(name):
        if name in _MODULES:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
