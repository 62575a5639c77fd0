"""A launch from the tick to the last row, by a launcher and two workers as they are deployed.

While it goes on somebody looks at the pages.
"""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.databases import dispose_engines

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


def tick_to_last_row(number: int, **settings: int) -> dict[str, float]:
    """Rates, and what each process held at most, of a launch of so many tasks."""
    configuration = {f"TASKADMIN_{name.upper()}": value for name, value in settings.items()}
    with fresh_stage(migrated=True) as stage:
        flask_config = config(stage, configuration)
        with host(stage, configuration) as state:
            add_tasks(state.session, number)
            assert state.celery is not None
            tick = state.celery.tasks["taskadmin.launch_tasks"]
            per_message = state.settings.runs_per_message
        commands = [
            celery_worker("bench.host:celery", f"{name}", "-Q", queue, "-P", "solo")
            for name, queue in (
                ("launcher", "taskadmin.launch"),
                *((f"w{place}", QUEUE) for place in range(PROCESSES)),
            )
        ]
        environment = {VARIABLE: json.dumps(flask_config)}
        with stage.connected() as connection, running(commands, environment) as processes:

            def ask(query: str) -> float:
                row = connection.execute(query).fetchone()
                assert row is not None
                return float(row[0])

            wait_until(
                lambda: ask("SELECT count(*) FROM taskadmin_process") > PROCESSES, seconds=60
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
            launcher, *workers = map(peak_memory_mb, processes)
            return {
                "seconds from tick to last row": seconds,
                "queued rows/s": number / launching,
                "sent messages/s": -(-number // per_message) / launching,
                "finished runs/s": number / float(row[2] or seconds),
                "runs/s from tick to last row": number / seconds,
                "peak memory of the launcher, MB": launcher,
                **{
                    f"peak memory of worker {place}, MB": peak
                    for place, peak in enumerate(workers, 1)
                },
                "bytes of the database per run": size / number,
                "dashboard meanwhile, median ms": statistics.median(looks),
                "dashboard meanwhile, longest ms": max(looks),
            }


@contextmanager
def _looking(configuration: dict[str, object]) -> Iterator[list[float]]:
    """Somebody has the dashboard open, which asks every five seconds; what each answer took."""
    app, looks = make_app(configuration), list[float]()
    ready, stop = threading.Event(), threading.Event()

    def look() -> None:
        client = signed_in(app)
        milliseconds(client, "dashboard/")  # this process has shown it before, then
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
