"""What pages cost over large tables: server time, measured at the application's door."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from services.databases import dispose_engines
from taskadmin.models import User
from taskadmin.state import get_state
from taskadmin.store import failures, launch_pages, matching_runs, matching_tasks
from taskadmin.store.closing import close_finished
from taskadmin.store.minute_counts import count_minutes
from taskadmin.store.remembered import Remembered

from .host import make_app
from .ours import add_tasks, config
from .stage import fresh_stage

#: Newest first, as people look.
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
}
_TASKS, _USERS = 100_000, 1_000
#: How often a page is asked for before that is measured, and how often then.
_WARM, _TIMES = 2, 9
_NEWEST = text(
    "SELECT max(id) AS run, max(launch_id) AS launch, max(task_id) - 42 AS task"
    " FROM taskadmin_task_result"
)

_ADD_USERS = text(
    "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
    " SELECT 'user ' || n, 'user ' || n, 'n' || n, now() FROM generate_series(1, :users) n"
)
# Of however many results there are, the first page of each list has the same to show: what is
# compared is what the other ones cost.
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
    """Median milliseconds of each page, with so many results of 100,000 tasks of 1,000 people.

    Once as it is while somebody looks at it, and once where this process remembers nothing of
    the database (``store.remembered``), as for the first one who looks after a while. A page is
    asked for by turns over each of the databases, however the machine's speed changes meanwhile.
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
    """A superuser's browser over a database of its own, and ids for addresses."""
    with fresh_stage(migrated=True) as stage:
        app = make_app(config(stage, {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 300}))
        try:
            with app.app_context():
                _fill(get_state(app).session, results)
                newest = get_state(app).session.execute(_NEWEST).one()
            with stage.connected() as connection:
                connection.execute("VACUUM ANALYZE")  # autovacuum does it within a minute
            yield signed_in(app), newest._asdict()
        finally:
            dispose_engines(app)


def _times(
    sites: Sequence[tuple[FlaskClient, dict[str, int]]], path: str, first: Callable[[], None]
) -> list[list[float]]:
    """Milliseconds of a page on each site, after *first*; the first ones warm it up."""
    found: list[list[float]] = [[] for _ in sites]
    for _ in range(_WARM + _TIMES):
        for (client, newest), times in zip(sites, found, strict=True):
            first()
            times.append(milliseconds(client, path.format(**newest)))
    return [times[_WARM:] for times in found]


def _nothing() -> None:
    """As it is while somebody looks."""


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
    """A superuser's browser."""
    with app.app_context():
        session = get_state(app).session
        user = session.scalars(select(User).where(User.is_superuser).limit(1)).one()
        name = user.get_id()
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = name
        cookie["_fresh"] = True
    return client


def milliseconds(client: FlaskClient, path: str) -> float:
    """What the server takes for a page."""
    begun = time.perf_counter()
    answer = client.get(f"/taskadmin/{path}")
    spent = time.perf_counter() - begun
    assert answer.status_code == 200, (path, answer.status)
    return spent * 1000


def _forget() -> None:
    for module in (failures, launch_pages, matching_runs, matching_tasks):
        for value in vars(module).values():
            if isinstance(value, Remembered):
                value._kept.clear()
