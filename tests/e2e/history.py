"""A day of earlier runs, so that pages look like those of a site in use."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from taskadmin.models import Launch, LaunchKind, LaunchState, MinuteCount, RunState, TaskResult
from taskadmin.store.database import clock

_EVERY = timedelta(minutes=5)
_SINCE = timedelta(hours=24)
#: Fixed, so that screenshots of different days can be compared.
_SEED = 5
_SHARE_FAILED = 0.02


def add_history(session: Session, task_ids: Sequence[int]) -> None:
    """Add a run of each task every five minutes since yesterday, some failed; commit."""
    chance = random.Random(_SEED)  # noqa: S311 - no secrets
    now = clock.now(session)
    moments = [now - _EVERY * number for number in range(2, _SINCE // _EVERY)][::-1]
    launches = [
        {
            "kind": LaunchKind.DUE,
            "state": LaunchState.CLOSED,
            "queued": len(task_ids),
            "opened_at": moment,
            "closed_at": moment + timedelta(seconds=1),
        }
        for moment in moments
    ]
    launch_ids = sorted(session.scalars(insert(Launch).returning(Launch.id), launches))
    runs = [
        _run(task_id, launch_id, moment, chance)
        for launch_id, moment in zip(launch_ids, moments, strict=True)
        for task_id in task_ids
    ]
    session.execute(insert(TaskResult), runs)
    counts = Counter(
        (run["finished_at"].replace(second=0, microsecond=0), run["state"].value) for run in runs
    )
    session.execute(
        insert(MinuteCount),
        [
            {
                "minute": minute,
                "succeeded": counts[minute, "succeeded"],
                "failed": counts[minute, "failed"],
            }
            for minute in sorted({minute for minute, _ in counts})
        ],
    )
    session.commit()


def _run(task_id: int, launch_id: int, moment: datetime, chance: random.Random) -> dict[str, Any]:
    failed = chance.random() < _SHARE_FAILED
    begun = moment + timedelta(milliseconds=chance.randint(20, 400))
    # Slower in the middle of the day than at night.
    busy = 1.5 - math.cos(math.tau * moment.hour / 24)
    length = timedelta(milliseconds=busy * chance.lognormvariate(4, 0.5))
    return {
        "task_id": task_id,
        "launch_id": launch_id,
        "due_at": moment,
        "job": "generate_random_number",
        "queue": "taskadmin.runs",
        "task_params": {"lower_limit": 1.0, "upper_limit": 6.0},
        "state": RunState.FAILED if failed else RunState.SUCCEEDED,
        "queued_at": moment,
        "started_at": begun,
        "finished_at": begun + length,
        "worker": "worker@one",
        "result": None if failed else round(chance.uniform(1, 6), 3),
        "error_type": "ConnectionError" if failed else None,
        "error": "The source of random numbers didn't answer." if failed else None,
    }
