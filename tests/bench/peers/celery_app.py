"""Celery by itself: a number is drawn and stored in one of several ways.

``BENCH_BROKER`` and ``BENCH_DSN`` say where; ``BENCH_BACKEND`` is Celery's result backend.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

import psycopg
from celery import Celery

app = Celery("peer", broker=os.environ["BENCH_BROKER"], backend=os.environ.get("BENCH_BACKEND"))
app.conf.task_ignore_result = "BENCH_BACKEND" not in os.environ

_connections: dict[int, psycopg.Connection] = {}
_INSERT = "INSERT INTO peer_result (task_id, params, result) VALUES (%s, %s, %s)"


def connection() -> psycopg.Connection:
    """This process's connection, which commits each statement."""
    pid = os.getpid()
    if pid not in _connections:
        _connections[pid] = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True)
    return _connections[pid]


def row(number: int, low: float, high: float) -> tuple[int, str, float]:
    """What is stored of a run: the same for everybody."""
    params = json.dumps({"lower_limit": low, "upper_limit": high})
    return number, params, random.uniform(low, high)  # noqa: S311 - no secret


@app.task(name="peer.nothing")
def nothing(number: int, low: float, high: float) -> float:
    """Draw, and store nothing here: a result backend may."""
    return row(number, low, high)[2]


@app.task(name="peer.insert")
def insert(number: int, low: float, high: float) -> None:
    """Draw, and insert one row."""
    connection().execute(_INSERT, row(number, low, high))


try:
    from celery_batches import Batches
except ImportError:  # it isn't measured, then
    pass
else:

    @app.task(name="peer.batch", base=Batches, flush_every=200, flush_interval=0.1)
    def batch(requests: list[Any]) -> None:
        """Draw for each message, and insert all of their rows at once."""
        with connection().cursor() as cursor:
            cursor.executemany(_INSERT, [row(*request.args) for request in requests])


def main() -> None:
    """Send so many messages of a task, and print how many per second that were."""
    name, number = sys.argv[1], int(sys.argv[2])
    task = app.tasks[name]
    task.delay(0, 0.0, 1.0)
    begun = time.monotonic()
    for place in range(1, number):
        task.delay(place, 0.0, 1.0)
    print(json.dumps(number / (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
