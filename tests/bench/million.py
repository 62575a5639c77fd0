"""A launch from the tick to the last row, by a launcher and a worker with two processes.

Meanwhile, a user has the dashboard open.
"""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.servers.databases import dispose_engines

from .host import VARIABLE, make_app
from .ours import PROCESSES, QUEUE, add_tasks, config, host
from .pages import milliseconds, signed_in
from .stage import celery_worker, fresh_stage, peak_memory_mb, running, wait_until

_ROWS = (
    "SELECT count(*) FILTER (WHERE state = 'succeeded'), count(DISTINCT task_id),"
    " extract(epoch FROM max(finished_at) - min(finished_at)), max(finished_at)"
    " FROM taskadmin_task_result"
)
_LAUNCH = (
    "SELECT extract(epoch FROM published_at - opened_at),"
    " extract(epoch FROM %s - opened_at) FROM taskadmin_launch WHERE queued > 0"
)
_IS_OPEN = (
    "SELECT count(*) FROM (SELECT FROM taskadmin_task_result WHERE finished_at IS NULL LIMIT 1) o"
)
_IS_PUBLISHED = (
    "SELECT count(*) FROM taskadmin_launch WHERE queued > 0 AND published_at IS NOT NULL"
)


def tick_to_last_row(number: int) -> dict[str, float]:
    """Rates and peak memory of a launch of *number* tasks, the job's first."""
    with fresh_stage(migrated=True) as stage:
        flask_config = config(stage)
        with host(stage) as state:
            add_tasks(state.session, number)
            assert state.celery is not None
            tick = state.celery.tasks["taskadmin.launch_tasks"]
        commands = [
            celery_worker("bench.host:celery", "launcher", "-Q", "taskadmin.launch", "-P", "solo"),
            celery_worker("bench.host:celery", "runs", "-Q", QUEUE, "-c", str(PROCESSES)),
        ]
        environment = {VARIABLE: json.dumps(flask_config)}
        with stage.connected() as connection, running(commands, environment) as processes:

            def ask(query: str) -> float:
                row = connection.execute(query).fetchone()
                assert row is not None
                return float(row[0])

            wait_until(
                lambda: ask("SELECT count(*) FROM taskadmin_process") == len(commands), seconds=60
            )
            with _looking(flask_config) as looks:
                tick.apply_async(queue="taskadmin.launch", ignore_result=True)
                wait_until(
                    lambda: bool(ask(_IS_PUBLISHED)) and not ask(_IS_OPEN),
                    seconds=60 + number / 1_000,
                )
            row = connection.execute(_ROWS).fetchone()
            assert row is not None and row[0] == row[1] == number, f"{row} of {number}"
            launch = connection.execute(_LAUNCH, (row[3],)).fetchone()
            assert launch is not None
            launching, seconds = map(float, launch)
            size = ask("SELECT pg_total_relation_size('taskadmin_task_result')")
            launcher, worker = processes
            return {
                "seconds from tick to last row": seconds,
                "queued rows/s": number / launching,
                "finished runs/s": number / float(row[2] or seconds),
                "runs/s from tick to last row": number / seconds,
                "peak memory of the launcher, MB": peak_memory_mb(launcher),
                "peak memory of a worker's process, MB": max(
                    map(peak_memory_mb, (worker, *worker.children()))
                ),
                "bytes of the database per run": size / number,
                "dashboard meanwhile, median ms": statistics.median(looks),
                "dashboard meanwhile, longest ms": max(looks),
            }


@contextmanager
def _looking(configuration: dict[str, object]) -> Iterator[list[float]]:
    """Request the dashboard every five seconds, and yield the response times."""
    app, looks = make_app(configuration), list[float]()
    ready, stop = threading.Event(), threading.Event()

    def look() -> None:
        client = signed_in(app)
        milliseconds(client, "dashboard/")  # warm up
        ready.set()
        while not stop.is_set():
            looks.append(milliseconds(client, "dashboard/"))
            stop.wait(5)

    thread = threading.Thread(target=look)
    thread.start()
    ready.wait()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
        dispose_engines(app)
