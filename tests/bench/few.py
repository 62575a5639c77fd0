"""Latency of a few runs: from a tick, or from "Run now", to the last row."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from taskadmin.jobs import all_jobs
from taskadmin.models import Task, TaskResult, User
from taskadmin.store.launches.manual import launch_manually
from taskadmin.store.people.audit import TASKADMIN

from .host import VARIABLE
from .ours import PROCESSES, QUEUE, add_tasks, config, host
from .stage import celery_worker, fresh_stage, running, wait_until

_TASKS = 3
#: Warm-up rounds, after which PostgreSQL's statements are prepared, and measured rounds.
_WARM, _MEASURED = 8, 21


def few() -> dict[str, float]:
    """Milliseconds from a tick to the last row of three tasks, and from "Run now" to its row."""
    with fresh_stage(migrated=True) as stage, host(stage) as state:
        session, celery, publish = state.session, state.celery, state.publish
        assert celery is not None and publish is not None
        add_tasks(session, _TASKS)
        session.execute(
            text(
                "INSERT INTO taskadmin_schedule (task_id, kind, every_s, next_due)"
                " SELECT id, 'interval', 86400, now() + interval '1 day' FROM taskadmin_task"
            )
        )
        session.commit()
        ids = session.scalars(select(Task.id).order_by(Task.id)).all()
        user = session.scalars(select(User.id)).one()
        tick = celery.tasks["taskadmin.tick"]

        def by_tick() -> None:
            session.execute(text("UPDATE taskadmin_schedule SET next_due = now()"))
            session.commit()
            tick.apply_async(queue="taskadmin.launch", ignore_result=True)

        def by_hand() -> None:
            owner = uuid4()
            launched = launch_manually(
                session,
                ids[:1],
                requested_by=user,
                request_key=uuid4(),
                owner=owner,
                jobs=all_jobs(),
                actor=TASKADMIN,
            )
            publish(launched.launch_id, owner)

        commands = [
            celery_worker("bench.host:celery", "launcher", "-Q", "taskadmin.launch", "-P", "solo"),
            celery_worker("bench.host:celery", "runs", "-Q", QUEUE, "-c", str(PROCESSES)),
        ]
        with running(commands, {VARIABLE: json.dumps(config(stage))}):
            return {
                "3 tasks, from tick to last row, ms": _median(session, by_tick, _TASKS),
                "run now to its result, ms": _median(session, by_hand, 1),
            }


def _median(session: Session, start: Callable[[], None], number: int) -> float:
    def finished() -> int:
        count = session.scalar(select(func.count()).where(TaskResult.finished_at.is_not(None)))
        session.rollback()
        return count or 0

    times = []
    for _ in range(_WARM + _MEASURED):
        wanted = finished() + number
        begun = time.perf_counter()
        start()
        wait_until(lambda wanted=wanted: finished() >= wanted, seconds=60, every=0.001)  # type: ignore[misc]
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[_WARM:])
