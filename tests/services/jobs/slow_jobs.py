"""Jobs that run for too long, for workers with ``include`` in ``CELERY``."""

from __future__ import annotations

import contextlib
import time

from pydantic import BaseModel

from taskadmin.jobs import Job
from taskadmin.jobs.registry import add_job


class NoArguments(BaseModel):
    """No arguments; the other parameters of a run are ignored."""


def sleep() -> None:
    """Sleep for half a minute."""
    time.sleep(30)


def nap() -> float:
    """Sleep for a second."""
    time.sleep(1)
    return 0.25


def sleep_on() -> None:
    """Sleep for half a minute, ignoring exceptions."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(0.1)


for name, function, limit in (
    ("sleep", sleep, 1500.0),
    ("nap", nap, 1500.0),
    ("sleep_on", sleep_on, 1500.0),
    ("over its limit", sleep, 2.0),
):
    add_job(
        Job(
            name=name,
            function=function,
            time_limit=limit,
            arguments=NoArguments,
            celery_task="taskadmin.run",
            queue="taskadmin.runs",
            max_attempts=3,
            backoff_seconds=0.1,
        )
    )
