"""taskadmin's own stages: queueing and sending a launch, finishing its runs."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, event, func, insert, select, text
from sqlalchemy.orm import Session

from services.databases import dispose_engines
from taskadmin.models import Launch, Task, User
from taskadmin.queue.launcher import Turn, run_turn
from taskadmin.state import State

from .host import VARIABLE, make_app
from .stage import Stage, celery_worker, fresh_stage, peak_memory_mb, running, wait_until

QUEUE = "taskadmin.runs"
#: Two processes, as for everybody who is measured.
PROCESSES = 2


def launching(number: int) -> dict[str, float]:
    """Queue and send a launch of so many tasks, rows written and messages confirmed."""
    with fresh_stage(migrated=True) as stage:
        found = _launch(stage, number, {})
        with stage.connected() as connection:
            row = connection.execute("SELECT pg_total_relation_size('taskadmin_task_result')")
            size = row.fetchone()
        assert size is not None
        return {**found, "bytes of the database per queued run": size[0] / number}


def finishing(number: int, *, pool: str = "solo", **settings: int) -> dict[str, float]:
    """Launch so many tasks, then let two processes finish them; rates from first to last row."""
    configuration = {f"TASKADMIN_{name.upper()}": value for name, value in settings.items()}
    with fresh_stage(migrated=True) as stage:
        launched = _launch(stage, number, configuration)
        workers = [
            celery_worker("bench.host:celery", f"w{place}", "-Q", QUEUE, "-P", pool, "-c", "2")
            for place in range(PROCESSES if pool != "prefork" else 1)
        ]
        environment = {VARIABLE: json.dumps(config(stage, configuration))}
        with running(workers, environment) as processes, stage.connected() as connection:

            def is_done() -> bool:
                row = connection.execute(
                    "SELECT 1 FROM taskadmin_task_result WHERE finished_at IS NULL LIMIT 1"
                )
                return row.fetchone() is None

            wait_until(is_done, seconds=60 + number / 50)
            memory = max(map(peak_memory_mb, processes))
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE state = 'succeeded'), count(DISTINCT task_id),"
                " extract(epoch FROM max(finished_at) - min(finished_at)),"
                " extract(epoch FROM max(finished_at) - min(queued_at))"
                " FROM taskadmin_task_result"
            ).fetchone()
        assert row is not None and row[0] == row[1] == number, f"{row} of {number}"
        return {
            **launched,
            "finished runs/s": number / float(row[2]),
            "peak memory of a worker's process, MB": memory,
        }


def scheduling(number: int) -> float:
    """Tasks per second with schedules of their own, all due: planned, queued and sent."""
    with fresh_stage(migrated=True) as stage, host(stage, {}) as state:
        add_tasks(state.session, number)
        _schedule(state.session, due=number)
        begun, sent = time.monotonic(), 0
        while sent < number:
            sent += turn(state).sent
        return number / (time.monotonic() - begun)


#: Turns before PostgreSQL's statements are prepared, and turns that are measured.
_WARM, _MEASURED = 8, 9


def idle_tick(number: int, due: int = 10) -> float:
    """Milliseconds that the database takes for a turn over so many schedules, few of them due.

    The median of a launcher that has run for some ticks, from sending each statement to having
    its answer.
    """
    with fresh_stage(migrated=True) as stage, host(stage, {}) as state:
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
    """Give every task a schedule of its own; the first *due* ones are due now."""
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


def turn(state: State) -> Turn:
    assert state.celery is not None
    return run_turn(state.session, state.celery, state.settings)


@contextlib.contextmanager
def host(stage: Stage, settings: dict[str, Any]) -> Iterator[State]:
    app = make_app(config(stage, settings))
    try:
        with app.app_context():
            yield app.extensions["taskadmin"]
    finally:
        dispose_engines(app)


def config(stage: Stage, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "SECRET_KEY": "of a host that nobody asks",
        "SQLALCHEMY_DATABASE_URI": stage.database.render_as_string(hide_password=False),
        "CELERY": {"broker_url": stage.broker, "result_backend": "disabled://"},
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 86400,
        **settings,
    }


def _launch(stage: Stage, number: int, settings: dict[str, Any]) -> dict[str, float]:
    with host(stage, settings) as state:
        # A launcher has had a turn before: connections, queues and statements are there, as they
        # are for the peers, which have sent a message before theirs are counted.
        turn(state)
        state.session.execute(delete(Launch))
        state.session.commit()
        add_tasks(state.session, number)
        begun, sent = time.monotonic(), 0
        while sent < number:
            sent += turn(state).sent
        return {"launched runs/s": number / (time.monotonic() - begun)}


def add_tasks(session: Session, number: int) -> None:
    author = session.scalar(
        insert(User)
        .values(username="ana", username_key="ana", is_superuser=True)
        .returning(User.id)
    )
    session.execute(
        insert(Task).from_select(
            ["lower_limit", "upper_limit", "params", "created_by", "created_at", "updated_at"],
            select(
                *(text("0"), text("1"), text("'{}'::json"), text(str(author)), func.now()),
                func.now(),
            ).select_from(func.generate_series(1, number)),
        )
    )
    session.commit()
    session.execute(text("ANALYZE taskadmin_task"))
    session.commit()
