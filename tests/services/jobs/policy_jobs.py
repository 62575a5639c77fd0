"""Jobs for tests of policies, in ``TASKADMIN_JOBS`` of the workers."""

from __future__ import annotations

import time
from pathlib import Path

from taskadmin import Run, job


@job(record_start=False)
def quick() -> int:
    """Return at once."""
    return 1


@job
def slow(seconds: float = 2.5) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


@job
def broken() -> None:
    """Fail every time."""
    raise RuntimeError("It is broken.")


@job(max_attempts=3, backoff_seconds=0.1)
def third_time_lucky(folder: Path, run: Run) -> int:
    """Succeed on the third attempt."""
    run.log(f"attempt {run.attempt}")
    marks = folder / f"run-{run.run_id}"
    with marks.open("a") as file:
        file.write(".")
    if len(marks.read_text()) < 3:
        raise RuntimeError("Not yet.")
    return run.attempt


@job(time_limit=1)
def never_ends() -> None:
    """Exceed the hard time limit."""
    time.sleep(60)


@job(soft_time_limit=1, time_limit=30)
def warned() -> None:
    """Exceed the soft time limit."""
    time.sleep(60)
