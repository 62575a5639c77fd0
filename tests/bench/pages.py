"""What pages cost over large tables: server time, measured at the application's door."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from services.databases import dispose_engines
from taskadmin.models import User
from taskadmin.state import get_state
from taskadmin.store import failures, launch_pages, matching_runs, matching_tasks
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
_TASKS, _USERS, _TIMES = 100_000, 1_000, 9

_ADD_USERS = text(
    "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
    " SELECT 'user ' || n, 'user ' || n, 'n' || n, now() FROM generate_series(1, :users) n"
)
# Of however many results there are, the first page of each list has the same to show: what is
# compared is what the other ones cost.
#: Slots of five minutes up to now, each with a run of the newest tasks, one in twenty failed.
_ADD_LAUNCHES = text(
    "INSERT INTO taskadmin_launch"
    " (kind, slot, interval_s, state, opened_at, published_at, closed_at, queued, skipped)"
    " SELECT 'slot', at, 300, 'closed', at, at, at + interval '30 s', :each, 0"
    " FROM (SELECT to_timestamp(floor(extract(epoch FROM now()) / 300 - n) * 300) AS at"
    " FROM generate_series(:launches, 1, -1) n) moments"
)
_ADD_RUNS = text(
    "INSERT INTO taskadmin_task_result (task_id, launch_id, due_at, job, queue, task_params,"
    " state, attempts, max_attempts, publishes, queued_at, started_at, finished_at, worker,"
    " result, error_type, error)"
    " SELECT task.id, launch.id, launch.slot, task.job, 'taskadmin.runs',"
    " json_build_object('lower_limit', 0, 'upper_limit', 1, 'author_id', task.created_by),"
    " CASE WHEN failed THEN 'failed' ELSE 'succeeded' END, 1, 1, 0, launch.slot,"
    " launch.slot + task.id * interval '1 ms', launch.slot + task.id * interval '1.1 ms',"
    " 'worker@host', CASE WHEN failed THEN NULL ELSE random() END,"
    " CASE WHEN failed THEN 'ValueError' END, CASE WHEN failed THEN 'Traceback …' END"
    " FROM taskadmin_launch launch, taskadmin_task task,"
    " LATERAL (SELECT (task.id + launch.id) % 20 = 0 AS failed) AS outcome"
    " WHERE task.id > :tasks - :each ORDER BY launch.id, task.id"
)


def pages(results: int) -> dict[str, float]:
    """Median milliseconds of each page, with so many results of 100,000 tasks of 1,000 people.

    Once as it is while somebody looks at it, and once where this process remembers nothing of
    the database (``store.remembered``), as for the first one who looks after a while.
    """
    with fresh_stage(migrated=True) as stage:
        app = make_app(config(stage, {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 300}))
        try:
            with app.app_context():
                _fill(get_state(app).session, results)
            with stage.connected() as connection:
                connection.execute("VACUUM ANALYZE")  # autovacuum does it within a minute
            return _measured(app)
        finally:
            dispose_engines(app)


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
    while count_minutes(session):
        pass


@contextmanager
def signed_in(app: Flask) -> Iterator[FlaskClient]:
    """A superuser's browser."""
    with app.app_context():
        session = get_state(app).session
        user = session.scalars(select(User).where(User.is_superuser).limit(1)).one()
        name = user.get_id()
    with app.test_client() as client:
        with client.session_transaction() as cookie:
            cookie["_user_id"] = name
            cookie["_fresh"] = True
        yield client


def milliseconds(client: FlaskClient, path: str) -> float:
    """What the server takes for a page."""
    begun = time.perf_counter()
    answer = client.get(f"/taskadmin/{path}")
    spent = time.perf_counter() - begun
    assert answer.status_code == 200, (path, answer.status)
    return spent * 1000


def _measured(app: Flask) -> dict[str, float]:
    with app.app_context():
        row = get_state(app).session.execute(
            text("SELECT max(id), max(launch_id), max(task_id) - 42 FROM taskadmin_task_result")
        )
        run, launch, task = row.one()
    found, first = {}, {}
    with signed_in(app) as client:
        for name, path in _PATHS.items():
            address = path.format(run=run, launch=launch, task=task)
            times = [milliseconds(client, address) for _ in range(_TIMES + 2)][2:]
            found[name] = statistics.median(times)
            times.clear()
            for _ in range(_TIMES):
                _forget()
                times.append(milliseconds(client, address))
            first[f"{name}, nothing remembered"] = statistics.median(times)
    return found | first


def _forget() -> None:
    for module in (failures, launch_pages, matching_runs, matching_tasks):
        for value in vars(module).values():
            if isinstance(value, Remembered):
                value._kept.clear()
