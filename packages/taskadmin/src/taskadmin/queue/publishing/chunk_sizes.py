"""Runs per message: about half a second of work, and enough messages for all processes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...store.runs import durations
from ...store.runs.results import UnsentRun
from ...store.upkeep import processes

#: Seconds of work per message: a worker takes and records that much together.
_SECONDS_PER_MESSAGE = 0.5
_MAX_CHUNK = 1_000
#: Runs per message of a job without measured durations.
_UNMEASURED_CHUNK_RUNS = 20
#: Up to this many runs get a message each: people wait for few, and only many gain much.
_MAX_UNCHUNKED_RUNS = 100
#: Minimum messages per worker process: the next one is ready while one is executed.
_PER_PROCESS = 2


def chunk_sizes(session: Session, runs: Sequence[UnsentRun]) -> dict[str, int]:
    """Return the number of runs per message, by job; a missing job means one each.

    Args:
        runs: A page of a launch; the last page and small launches are small.
    """
    if len(runs) <= _MAX_UNCHUNKED_RUNS:
        return {}
    jobs = all_jobs()
    groups = Counter(run.job for run in runs if run.job in jobs)
    if not groups:
        return {}
    seconds = durations.usual_durations(session)
    concurrency = processes.processes_of_queues(session)
    return {
        name: chunk_size(number, seconds.get(name), concurrency.get(jobs[name].queue, 1))
        for name, number in groups.items()
    }


def chunk_size(runs: int, seconds: float | None, concurrency: int) -> int:
    """Return the number of runs per message.

    Args:
        seconds: Duration of a run; None if unknown.
        concurrency: Number of processes that consume the queue.
    """
    fitting = (
        _UNMEASURED_CHUNK_RUNS
        if seconds is None
        else int(_SECONDS_PER_MESSAGE / max(seconds, _SECONDS_PER_MESSAGE / _MAX_CHUNK))
    )
    share = math.ceil(runs / (_PER_PROCESS * max(concurrency, 1)))
    return max(1, min(fitting, share, _MAX_CHUNK))
