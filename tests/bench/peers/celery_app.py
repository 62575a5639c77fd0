"""Plain Celery: draw a number and store it in one of several ways.

``BENCH_BROKER`` and ``BENCH_DSN`` are the servers, ``BENCH_BACKEND`` is Celery's result backend.
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
    """Return this process's autocommit connection."""
    pid = os.getpid()
    if pid not in _connections:
        _connections[pid] = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True)
    return _connections[pid]


def row(number: int, low: float, high: float) -> tuple[int, str, float]:
    """Return the row of a run, the same for all peers."""
    params = json.dumps({"lower_limit": low, "upper_limit": high})
    return number, params, random.uniform(low, high)  # noqa: S311 - no secret


@app.task(name="peer.nothing")
def nothing(number: int, low: float, high: float) -> float:
    """Draw, and store nothing, except in a result backend."""
    return row(number, low, high)[2]


@app.task(name="peer.insert")
def insert(number: int, low: float, high: float) -> None:
    """Draw, and insert one row."""
    connection().execute(_INSERT, row(number, low, high))


@app.task(name="peer.nap")
def nap(number: int, low: float, high: float) -> None:
    """Sleep for a millisecond, and insert a row."""
    time.sleep(0.001)
    connection().execute(_INSERT, row(number, low, high))


try:
    from celery_batches import Batches
except ImportError:  # not measured
    pass
else:

    @app.task(name="peer.batch", base=Batches, flush_every=200, flush_interval=0.1)
    def batch(requests: list[Any]) -> None:
        """Draw for each message, and insert all rows at once."""
        with connection().cursor() as cursor:
            cursor.executemany(_INSERT, [row(*request.args) for request in requests])


def main() -> None:
    """Send messages of a task, and print the messages per second."""
    name, number = sys.argv[1], int(sys.argv[2])
    task = app.tasks[name]
    task.delay(0, 0.0, 1.0)
    begun = time.monotonic()
    for place in range(1, number):
        task.delay(place, 0.0, 1.0)
    print(json.dumps(number / (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
