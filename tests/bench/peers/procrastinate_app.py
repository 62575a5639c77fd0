"""Procrastinate, whose queue is a table: draw a number and store it with one INSERT.

``BENCH_DSN`` is the database.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time

import procrastinate
from psycopg_pool import AsyncConnectionPool

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DSN"]),
    import_paths=["bench.peers.procrastinate_app"],
)
_INSERT = "INSERT INTO peer_result (task_id, params, result) VALUES (%s, %s, %s)"
_pools: dict[int, AsyncConnectionPool] = {}


async def _pool() -> AsyncConnectionPool:
    """Return this process's autocommit connections."""
    pid = os.getpid()
    if pid not in _pools:
        pool = AsyncConnectionPool(
            os.environ["BENCH_DSN"], open=False, kwargs={"autocommit": True}, max_size=10
        )
        _pools[pid] = pool
        await pool.open()
    return _pools[pid]


@app.task(name="peer.insert")
async def insert(number: int, low: float, high: float) -> None:
    """Draw, and insert a row."""
    params = json.dumps({"lower_limit": low, "upper_limit": high})
    result = random.uniform(low, high)  # noqa: S311 - no secret
    async with (await _pool()).connection() as connection:
        await connection.execute(_INSERT, (number, params, result))


def main() -> None:
    """Create the tables, create jobs in a loop, and print the jobs per second."""
    number = int(sys.argv[1])
    with procrastinate.App(
        connector=procrastinate.SyncPsycopgConnector(conninfo=os.environ["BENCH_DSN"])
    ).open() as sending:
        sending.schema_manager.apply_schema()
        task = sending.configure_task("peer.insert", allow_unknown=True)
        task.defer(number=0, low=0.0, high=1.0)
        begun = time.monotonic()
        for place in range(1, number):
            task.defer(number=place, low=0.0, high=1.0)
        print(json.dumps(number / (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
