"""One launch of many tasks, from the tick to the last row, while somebody looks at the pages."""

from __future__ import annotations

import json
import resource
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.databases import dispose_engines

from .host import VARIABLE, make_app
from .ours import PROCESSES, QUEUE, add_tasks, config, host, turn
from .pages import milliseconds, signed_in
from .stage import celery_worker, fresh_stage, memory_mb, running, wait_until

_TIMES = (
    "SELECT count(*) FILTER (WHERE state = 'succeeded'), count(DISTINCT task_id),"
    " extract(epoch FROM max(finished_at) - (SELECT min(opened_at) FROM taskadmin_launch))"
    " FROM taskadmin_task_result"
)


def tick_to_last_row(number: int) -> dict[str, float]:
    """Launch so many tasks, 1,000 runs a message, for two worker processes that wait for them."""
    configuration = {"TASKADMIN_RUNS_PER_MESSAGE": 1_000}
    with fresh_stage(migrated=True) as stage, host(stage, configuration) as state:
        add_tasks(state.session, number)
        environment = {VARIABLE: json.dumps(config(stage, configuration))}
        workers = [
            celery_worker("bench.host:celery", f"w{place}", "-Q", QUEUE, "-P", "solo")
            for place in range(PROCESSES)
        ]
        with stage.connected() as connection, running(workers, environment) as processes:

            def ask(query: str) -> float:
                row = connection.execute(query).fetchone()
                assert row is not None
                return float(row[0])

            wait_until(
                lambda: ask("SELECT count(*) FROM taskadmin_process") == PROCESSES, seconds=60
            )
            with _looking(config(stage, configuration)) as looks:
                sent = 0
                while sent < number:
                    sent += turn(state).sent
                wait_until(
                    lambda: (
                        not ask(
                            "SELECT count(*) FROM (SELECT 1 FROM taskadmin_task_result"
                            " WHERE finished_at IS NULL LIMIT 1) open"
                        )
                    ),
                    seconds=60 + number / 2_000,
                )
            row = connection.execute(_TIMES).fetchone()
            assert row is not None and row[0] == row[1] == number, f"{row} of {number}"
            size = ask("SELECT pg_total_relation_size('taskadmin_task_result')")
            return {
                "seconds": float(row[2]),
                "runs/s": number / float(row[2]),
                "memory of the launcher, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                / 1024,
                "memory of the workers, MB": memory_mb(processes),
                "bytes of the database per run": size / number,
                "dashboard meanwhile, median ms": statistics.median(looks),
                "dashboard meanwhile, longest ms": max(looks),
            }


@contextmanager
def _looking(configuration: dict[str, object]) -> Iterator[list[float]]:
    """Somebody has the dashboard open, which asks every five seconds; what each answer took."""
    app, stop, looks = make_app(configuration), threading.Event(), list[float]()

    def look() -> None:
        with signed_in(app) as client:
            while not stop.is_set():
                looks.append(milliseconds(client, "dashboard/"))
                stop.wait(5)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
        dispose_engines(app)
