"""Jobs that don't end by themselves in time, for workers of tests: ``include`` in ``CELERY``."""

from __future__ import annotations

import contextlib
import time

from pydantic import BaseModel

from taskadmin.jobs import Job
from taskadmin.jobs.registry import add_job


class NoArguments(BaseModel):
    """None; what else a run's parameters hold is ignored."""


def sleep() -> None:
    """Half a minute."""
    time.sleep(30)


def nap() -> float:
    """A second."""
    time.sleep(1)
    return 0.25


def sleep_on() -> None:
    """Half a minute, whatever is raised meanwhile."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(0.1)


for function in (sleep, nap, sleep_on):
    add_job(
        Job(
            name=function.__name__,
            function=function,
            arguments=NoArguments,
            celery_task="taskadmin.run",
            queue="taskadmin.runs",
            max_attempts=3,
            backoff_seconds=0.1,
        )
    )
