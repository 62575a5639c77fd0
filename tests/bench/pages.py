"""Server time of pages over large tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from services.browser import sign_in
from services.servers.databases import dispose_engines
from taskadmin.models import User
from taskadmin.state import get_state
from taskadmin.store.database.cache import TimedCache
from taskadmin.store.launches.closing import close_finished
from taskadmin.store.reports import failures, launch_pages, matching_runs, matching_tasks
from taskadmin.store.upkeep.minute_counts import count_minutes

from .host import make_app
from .ours import add_tasks, config
from .stage import fresh_stage

#: The newest ids of each kind.
_PATHS = {
    "dashboard": "dashboard/",
    "tasks": "tasks/",
    "failing tasks": "tasks/?state=failing",
    "tasks with a word": "tasks/?search=odd",
    "a task": "tasks/details/?id={task}",
    "a task's chart": "tasks/details/?id={task}&tab=chart",
    "runs": "runs/",
    "failed runs": "runs/?search=state:failed",
    "runs of a task": "runs/?search=task:{task}",
    "a run": "runs/details/?id={run}",
    "failures": "failures/",
    "launches": "launches/",
    "a launch": "launches/details/?id={launch}",
    "review": "review/",
    "users": "users/",
    "workers": "workers/",
    "audit": "audit/",
    "metrics": "metrics",
}
_TOKEN = "what Prometheus sends"
_SETTINGS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 300, "TASKADMIN_METRICS_TOKEN": _TOKEN}
_TASKS, _USERS = 100_000, 1_000
#: Warm-up requests of a page, and measured ones.
_WARM, _TIMES = 2, 9
_NEWEST = text(
    "SELECT max(id) AS run, max(launch_id) AS launch, max(task_id) - 42 AS task"
    " FROM taskadmin_task_result"
)

_ADD_USERS = text(
    "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
    " SELECT 'user ' || n, 'user ' || n, 'n' || n, now() FROM generate_series(1, :users) n"
)
# The first page of each list shows the same rows in all databases, so that the figures show the cost
# of the other rows.
#: Slots of five minutes up to now, each with a run of the newest tasks, one in twenty failed.
_ADD_LAUNCHES = text(
    "INSERT INTO taskadmin_launch"
    " (kind, slot, interval_s, state, opened_at, published_at, queued, skipped)"
    " SELECT 'slot', at, 300, 'published', at, at, :each, 0"
    " FROM (SELECT to_timestamp(floor(extract(epoch FROM now()) / 300 - n) * 300) AS at"
    " FROM generate_series(:launches, 1, -1) n) moments"
)
_ADD_RUNS = text(
    "INSERT INTO taskadmin_task_result (task_id, launch_id, due_at, job, queue, task_params,"
    " state, attempts, max_attempts, publishes, queued_at, started_at, finished_at, worker,"
    " result, error_type, error)"
    " SELECT task.id, launch.id, launch.slot, task.job, 'taskadmin.runs',"
    " json_build_object('lower_limit', 0, 'upper_limit', 1, 'author_id', task.created_by),"
    " CASE WHEN fails THEN 'failed' ELSE 'succeeded' END, 1, 1, 0, launch.slot,"
    " launch.slot + task.id * interval '1 ms', launch.slot + task.id * interval '1.1 ms',"
    " 'worker@host', CASE WHEN fails THEN NULL ELSE random() END,"
    " CASE WHEN fails THEN 'ValueError' END, CASE WHEN fails THEN 'Traceback …' END"
    " FROM taskadmin_launch launch, taskadmin_task task,"
    " LATERAL (SELECT (task.id + launch.id) % 20 = 0 AS fails) AS outcome"
    " WHERE task.id > :tasks - :each ORDER BY launch.id, task.id"
)


def pages(sizes: Sequence[int]) -> dict[str, float]:
    """Median milliseconds of each page, with *sizes* results of 100,000 tasks of 1,000 users.

    Measured with a warm and with an empty cache (``store.database.cache``). The databases take
    turns, because the machine's speed varies.
    """
    with ExitStack() as stack:
        sites = [stack.enter_context(_site(size)) for size in sizes]
        found = {}
        for name, path in _PATHS.items():
            for suffix, first in (("", _nothing), (", nothing remembered", _forget)):
                for size, times in zip(sizes, _times(sites, path, first), strict=True):
                    found[f"{size:,} results: {name}{suffix}"] = statistics.median(times)
        return found


@contextmanager
def _site(results: int) -> Iterator[tuple[FlaskClient, dict[str, int]]]:
    """Yield a superuser's client for a new database, and ids for addresses."""
    with fresh_stage(migrated=True) as stage:
        app = make_app(config(stage) | _SETTINGS)
        try:
            with app.app_context():
                _fill(get_state(app).session, results)
                newest = get_state(app).session.execute(_NEWEST).one()
            with stage.connected() as connection:
                connection.execute("VACUUM ANALYZE")  # as autovacuum does within a minute
            yield signed_in(app), newest._asdict()
        finally:
            dispose_engines(app)


def _times(
    sites: Sequence[tuple[FlaskClient, dict[str, int]]], path: str, first: Callable[[], None]
) -> list[list[float]]:
    """Return the milliseconds of a page on each site, calling *first* before each request."""
    found: list[list[float]] = [[] for _ in sites]
    for _ in range(_WARM + _TIMES):
        for (client, newest), times in zip(sites, found, strict=True):
            first()
            times.append(milliseconds(client, path.format(**newest)))
    return [times[_WARM:] for times in found]


def _nothing() -> None:
    """Keep the cache."""


def _fill(session: Any, results: int) -> None:
    add_tasks(session, _TASKS)
    session.execute(_ADD_USERS, {"users": _USERS})
    session.execute(
        text("UPDATE taskadmin_task SET created_by = 1 + id % :users"), {"users": _USERS}
    )
    session.execute(text("UPDATE taskadmin_task SET name = 'odd one ' || id WHERE id % 97 = 0"))
    launches = 10
    each = results // launches
    session.execute(_ADD_LAUNCHES, {"launches": launches, "each": each})
    session.execute(_ADD_RUNS, {"each": each, "tasks": _TASKS})
    session.commit()
    while close_finished(session):
        pass
    while count_minutes(session):
        pass


def signed_in(app: Flask) -> FlaskClient:
    """Return a superuser's client."""
    with app.app_context():
        session = get_state(app).session
        user = session.scalars(select(User).where(User.is_superuser).limit(1)).one()
        return sign_in(app.test_client(), user)


def milliseconds(client: FlaskClient, path: str) -> float:
    """Request a page, and return the server's time."""
    begun = time.perf_counter()
    headers = {"Authorization": f"Bearer {_TOKEN}"} if path == "metrics" else {}
    answer = client.get(f"/taskadmin/{path}", headers=headers)
    spent = time.perf_counter() - begun
    assert answer.status_code == 200, (path, answer.status)
    return spent * 1000


def _forget() -> None:
    for module in (failures, launch_pages, matching_runs, matching_tasks):
        for value in vars(module).values():
            if isinstance(value, TimedCache):
                value._kept.clear()
