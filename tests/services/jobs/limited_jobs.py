"""Jobs that exceed their time limits, for workers with ``include`` in ``CELERY``."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from taskadmin.jobs import Job
from taskadmin.jobs.registry import add_job

from .slow_jobs import NoArguments, nap

#: File to which each call of ``mark`` adds a line; set by tests.
MARKS = "TEST_MARKS"
#: Soft limit of ``just_in_time``, in seconds.
JUST = 0.1


def sleep() -> None:
    """Sleep."""
    time.sleep(60)


def compute() -> None:
    """Compute in Python."""
    while True:
        pass


def backtrack() -> None:
    """Compute for minutes in C code that holds the GIL and checks for signals."""
    re.match(r"(a+)+$", "a" * 40 + "b")


def hold() -> None:
    """Wait in C code that holds the GIL."""
    mark()
    ctypes.PyDLL(None).sleep(60)


def go_on() -> None:
    """Wait, and ignore exceptions."""
    mark()
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def just_in_time() -> int:
    """Return at about the soft limit: before, at or after it."""
    end = time.monotonic() + JUST
    while time.monotonic() < end:
        pass
    return 1


def mark() -> int:
    """Add a line."""
    with Path(os.environ[MARKS]).open("a") as file:
        file.write(".\n")
    return 1


def marked_sleep() -> None:
    """Add a line and sleep."""
    mark()
    time.sleep(60)


def _add(name: str, function: Callable[..., Any], **options: Any) -> None:
    add_job(
        Job(
            name=name,
            function=function,
            arguments=NoArguments,
            celery_task="taskadmin.run",
            queue="taskadmin.runs",
            **options,
        )
    )


_SOFT: dict[str, Any] = {"soft_time_limit": 1, "time_limit": 30}
_add("soft sleep", sleep, **_SOFT)
_add("soft compute", compute, **_SOFT)
_add("soft backtrack", backtrack, **_SOFT)
_add("soft in C", partial(time.sleep, 60), **_SOFT)
_add("hard sleep", sleep, time_limit=1)
_add("hard compute", compute, time_limit=1)
_add("hard backtrack", backtrack, time_limit=1)
_add("hard hold", hold, time_limit=1)
_add("hard after soft", go_on, soft_time_limit=1, time_limit=2)
_add("hard unclaimed", sleep, time_limit=1, record_start=False)
_add("hard twice", sleep, time_limit=1, max_attempts=2, backoff_seconds=0.1)
_add("just in time", just_in_time, soft_time_limit=JUST, time_limit=30)
_add("nap in time", nap, time_limit=2)
_add("nap in soft time", nap, soft_time_limit=2, time_limit=30)
_add("hard marked", marked_sleep, time_limit=1)
_add("hard marked unclaimed", marked_sleep, time_limit=1, record_start=False)
_add("sleep marked", marked_sleep)
_add("sleep unclaimed", marked_sleep, record_start=False)
_add("go on", go_on)
_add("hold", hold)
_add("mark", mark)
_add("mark unclaimed", mark, record_start=False)
