"""Celery: the launcher, the worker's side of a run, what beat sends."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .extension import TaskQueue
from .names import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE

if TYPE_CHECKING:
    from .embedded import EMBEDDED_CELERY, EmbeddedProcesses
    from .round_trip import RoundTrip, measure_round_trip
else:
    # Demos and tests run embedded, and who waits for a worker's answer is a person: no worker
    # and no command should load Celery's worker, beat and reply queues for them.
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
