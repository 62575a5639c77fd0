"""taskadmin's stages: queue and send a launch, finish its runs."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, event, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from services.servers.databases import dispose_engines
from taskadmin.models import Launch, Task, User
from taskadmin.queue.launcher.turn_context import TurnReport
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.state import State

from .host import VARIABLE, make_app
from .stage import Stage, celery_worker, fresh_stage, peak_memory_mb, running, wait_until

QUEUE = "taskadmin.runs"
#: The peers have two processes, too.
PROCESSES = 2
#: The built-in job.
DRAWS = "generate_random_number"


def launching(number: int) -> dict[str, float]:
    """Queue and send a launch of *number* tasks, with confirmed messages."""
    with fresh_stage(migrated=True) as stage:
        found = _launch(stage, number)
        with stage.connected() as connection:
            row = connection.execute("SELECT pg_total_relation_size('taskadmin_task_result')")
            size = row.fetchone()
        assert size is not None
        return {**found, "bytes of the database per queued run": size[0] / number}


#: Runs of an earlier launch, after which a job's duration is known.
_BEFORE = 200


def finishing(number: int, *, warm: bool, job: str = DRAWS) -> dict[str, float]:
    """Launch *number* tasks, then let a worker finish them; rates from the first to the last row.

    The worker is Celery's with two processes and default settings.

    Args:
        warm: Whether the job has run before.
    """
    with fresh_stage(migrated=True) as stage:
        if warm:
            _launch(stage, _BEFORE, job)
            _work(stage, _BEFORE)
            with stage.connected() as connection:
                connection.execute("TRUNCATE taskadmin_task_result, taskadmin_task CASCADE")
        launched = _launch(stage, number, job)
        return launched | _work(stage, number)


def behind_a_slow_one(number: int, *, slow_seconds: float = 30.0) -> dict[str, float]:
    """Seconds until all short runs behind a slow one have finished.

    All are runs of the same job, which has run before, and of the same launch, the slow one first.
    """
    found = {}
    for name, first in (("", slow_seconds), (" without it", 0.001)):
        with fresh_stage(migrated=True) as stage:
            _launch(stage, _BEFORE, "nap")
            _work(stage, _BEFORE)
            with stage.connected() as connection:
                connection.execute("TRUNCATE taskadmin_task_result, taskadmin_task CASCADE")
            _launch(stage, number + 1, "nap", {"seconds": first})
            _work(stage, number + 1)
            with stage.connected() as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM max(finished_at) - (SELECT min(started_at)"
                    " FROM taskadmin_task_result)) FROM taskadmin_task_result"
                    " WHERE id > (SELECT min(id) FROM taskadmin_task_result)"
                ).fetchone()
            assert row is not None
            found[f"the last of the others{name}, seconds"] = float(row[0])
    return found


def _work(stage: Stage, number: int) -> dict[str, float]:
    worker = celery_worker("bench.host:celery", "runs", "-Q", QUEUE, "-c", str(PROCESSES))
    environment = {VARIABLE: json.dumps(config(stage))}
    with running([worker], environment) as (process,), stage.connected() as connection:

        def is_done() -> bool:
            row = connection.execute(
                "SELECT 1 FROM taskadmin_task_result WHERE finished_at IS NULL LIMIT 1"
            )
            return row.fetchone() is None

        wait_until(is_done, seconds=60 + number / 50)
        memory = max(map(peak_memory_mb, (process, *process.children())))
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'succeeded'), count(DISTINCT task_id),"
            " extract(epoch FROM max(finished_at) - min(finished_at))"
            " FROM taskadmin_task_result"
        ).fetchone()
    assert row is not None and row[0] == row[1] == number, f"{row} of {number}"
    return {
        "finished runs/s": number / float(row[2]),
        "peak memory of a worker's process, MB": memory,
    }


def scheduling(number: int) -> float:
    """Tasks with their own schedules, all due, that are planned, queued and sent per second."""
    with fresh_stage(migrated=True) as stage, host(stage) as state:
        add_tasks(state.session, number)
        _schedule(state.session, due=number)
        begun, sent = time.monotonic(), 0
        while sent < number:
            sent += turn(state).sent
        return number / (time.monotonic() - begun)


#: Warm-up turns, after which PostgreSQL's statements are prepared, and measured turns.
_WARM, _MEASURED = 8, 9


def idle_tick(number: int, due: int = 10) -> float:
    """Milliseconds of database time for a turn with *number* schedules, few of them due.

    The median of a warm launcher, measured from sending each statement to its response.
    """
    with fresh_stage(migrated=True) as stage, host(stage) as state:
        session = state.session
        add_tasks(session, number)
        _schedule(session, due=0)
        turn(state)
        begun = spent = 0.0

        def begin(*_: Any) -> None:
            nonlocal begun
            begun = time.perf_counter()

        def end(*_: Any) -> None:
            nonlocal spent
            spent += time.perf_counter() - begun

        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        times = []
        for _ in range(_WARM + _MEASURED):
            session.execute(
                text("UPDATE taskadmin_schedule SET next_due = now() WHERE task_id <= :due"),
                {"due": due},
            )
            session.commit()
            spent = 0.0
            found = turn(state)
            assert found.due == due, found
            times.append(spent * 1000)
        return statistics.median(times[_WARM:])


def _schedule(session: Session, *, due: int) -> None:
    """Give every task its own schedule; the first *due* ones are due now."""
    session.execute(
        text(
            "INSERT INTO taskadmin_schedule (task_id, kind, every_s, next_due)"
            " SELECT id, 'interval', 86400, now() + CASE WHEN id <= :due THEN interval '0'"
            " ELSE interval '1 hour' END FROM taskadmin_task"
        ),
        {"due": due},
    )
    session.execute(text("ANALYZE taskadmin_schedule"))
    session.commit()


def turn(state: State) -> TurnReport:
    assert state.celery is not None
    return run_turn(state.session, state.celery, state.settings)


@contextlib.contextmanager
def host(stage: Stage) -> Iterator[State]:
    app = make_app(config(stage))
    try:
        with app.app_context():
            yield app.extensions["taskadmin"]
    finally:
        dispose_engines(app)


def config(stage: Stage) -> dict[str, Any]:
    return {
        "SECRET_KEY": "not used by a real site",
        "SQLALCHEMY_DATABASE_URI": stage.database.render_as_string(hide_password=False),
        "CELERY": {"broker_url": stage.broker, "result_backend": "disabled://"},
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 86400,
    }


def _launch(
    stage: Stage, number: int, job: str = DRAWS, first: dict[str, Any] | None = None
) -> dict[str, float]:
    with host(stage) as state:
        # Warm up connections, queues and statements, as the peers do with a message before
        # the counted ones.
        turn(state)
        state.session.execute(delete(Launch))
        state.session.commit()
        add_tasks(state.session, number, job)
        if first:
            one = select(func.min(Task.id)).scalar_subquery()
            state.session.execute(update(Task).where(Task.id == one).values(params=first))
            state.session.commit()
        begun, sent = time.monotonic(), 0
        while sent < number:
            sent += turn(state).sent
        return {"launched runs/s": number / (time.monotonic() - begun)}


def add_tasks(session: Session, number: int, job: str = DRAWS) -> None:
    author = session.scalar(select(User.id)) or session.scalar(
        insert(User)
        .values(username="ana", username_key="ana", is_superuser=True)
        .returning(User.id)
    )
    session.execute(
        insert(Task).from_select(
            [
                *("job", "lower_limit", "upper_limit", "params", "created_by", "created_at"),
                "updated_at",
            ],
            select(
                literal(job),
                text("0" if job == DRAWS else "NULL"),
                text("1" if job == DRAWS else "NULL"),
                *(text("'{}'::json"), text(str(author)), func.now(), func.now()),
            ).select_from(func.generate_series(1, number)),
        )
    )
    session.commit()
    session.execute(text("ANALYZE taskadmin_task"))
    session.commit()
