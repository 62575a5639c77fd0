"""Heartbeat files of worker and beat, for the health checks of their containers.

The modification time of the file ``HEARTBEAT_FILE`` is the time until which the process counts
as alive. ``celery inspect ping`` would import the whole site each time: two seconds of CPU every
few seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery.signals import after_task_publish, beat_init, heartbeat_sent

from taskadmin.state import State

#: Celery's worker sends a heartbeat every 2 s, from the loop that reads the broker's messages.
WORKER_SECONDS = 30.0
#: Beat is alive as long as the broker accepts its ticks; some may be late.
BEAT_SECONDS = 60.0


def connect(state: State) -> None:
    """Update the file in this process if it is a worker or beat."""
    name = os.environ.get("HEARTBEAT_FILE")
    if not name:
        return
    path = Path(name)
    beat_seconds = max(BEAT_SECONDS, 3 * state.settings.tick_seconds)

    def worker_lives(**_: Any) -> None:
        write(path, WORKER_SECONDS)

    def beat_lives(**_: Any) -> None:
        write(path, beat_seconds)

    def beat_starts(**_: Any) -> None:
        after_task_publish.connect(beat_lives, weak=False)

    heartbeat_sent.connect(worker_lives, weak=False)
    beat_init.connect(beat_starts, weak=False)


def write(path: Path, seconds: float) -> None:
    """Record that this process counts as alive for *seconds* from now."""
    path.touch()
    until = time.time() + seconds
    os.utime(path, (until, until))
