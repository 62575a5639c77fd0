"""Handmade messages in the queue of runs, on a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows import runs
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin.models import RunState
from taskadmin.queue import RUNS_QUEUE

pytestmark = pytest.mark.databases("postgresql")

BUILT_IN = (
    "celery.accumulate",
    "celery.backend_cleanup",
    "celery.chain",
    "celery.chord",
    "celery.chord_unlock",
    "celery.chunks",
    "celery.group",
    "celery.map",
    "celery.starmap",
)
BODIES = (
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    "[[], {}, {}]",
    "[[1, 2], {}, {}]",
    "[1, 2, 3]",
    '[[{"task": "no.such"}, [[1]]], {}, {}]',
    '[[], {"kwargs": 1}, null]',
    "[[], [], []]",
    "[[], {}, 5]",
    '[[], {}, {"callbacks": 5, "errbacks": "x", "chain": [1], "chord": 2}]',
)
LATE = "9999-12-31T23:59:59"
TIMES: tuple[Any, ...] = (
    LATE,
    f"{LATE}+00:00",
    f"{LATE}.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "soon",
    5,
    [],
)
HEADERS: dict[str, tuple[Any, ...]] = {
    "task": (["taskadmin.run"], [], [[]], {}, {"a": 1}, None, 5, True, "", "no.such"),
    "id": ([], ["a"], {}, {"a": 1}, None, 5),
    "timelimit": (["soon", "later"], "never", "ab", ["1"], [1, 2, 3], {"a": 1}, 5, [[], {}]),
    "eta": TIMES,
    "expires": TIMES,
    "retries": ("many", [], {}, None),
    "shadow": ([], ["a"], {"a": 1}, 5),
    "ignore_result": ("no", [], False),
    "group": ([], {"a": 1}, 5),
    "root_id": ([], {"a": 1}, 5),
    "stamped_headers": (5, "text", [["a"]], {"a": 1}),
    "stamps": (5, "text", [1]),
    "argsrepr": (5, [], {"a": 1}),
    "replaced_task_nesting": ("deep", []),
    "lang": (5, []),
    "method": ([], 5),
}


def headers(name: str, **others: Any) -> dict[str, Any]:
    """Return headers of a Celery message, protocol 2."""
    number = str(uuid4())
    return {
        "lang": "py",
        "task": name,
        "id": number,
        "root_id": number,
        "parent_id": None,
        "group": None,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "ignore_result": True,
        **others,
    }


def bad_headers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return one message per odd value, as a run's and as a built-in Celery task's."""
    for header, values in HEADERS.items():
        for value in values:
            for name, body in (
                ("taskadmin.run", '[[1, "2001-01-01T00:00:00+00:00"], {}, {}]'),
                ("celery.accumulate", "[[1], {}, {}]"),
            ):
                yield body, headers(name) | {header: value}
    yield "[[], {}, {}]", {}
    yield "[[], {}, {}]", {"task": "taskadmin.run"}


def bad_bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return invalid bodies for runs and built-in Celery tasks."""
    for name in ("taskadmin.run", *BUILT_IN):
        for body in BODIES:
            yield body, headers(name)


@pytest.mark.parametrize("messages", [bad_headers, bad_bodies])
def test_a_worker_survives_any_message(
    session: Session,
    make_task: MakeTask,
    celery: Celery,
    processes: CeleryProcesses,
    messages: Any,
) -> None:
    """The worker rejects or fails each of them, and executes the valid run behind."""
    worker = processes.worker("runs", RUNS_QUEUE, "-c", "2")
    with celery.connection_for_write() as connection:
        producer = connection.Producer()
        for body, made_up in messages():
            json.loads(body)
            producer.publish(
                body,
                exchange="",
                routing_key=RUNS_QUEUE,
                headers=made_up,
                content_type="application/json",
                content_encoding="utf-8",
                correlation_id=str(uuid4()),
            )
        run_id = runs.queue(session, make_task().id)
        celery.tasks["taskadmin.run"].apply_async(
            (run_id, runs.DUE.isoformat()), queue=RUNS_QUEUE, ignore_result=True
        )

        def succeeded() -> bool:
            assert worker.poll() is None, processes.text("runs")[-3000:]
            found = runs.row(session, run_id).state
            session.rollback()
            return found == RunState.SUCCEEDED

        wait_for(succeeded, what="the good run", seconds=60)

        def ready() -> int:
            declared = connection.default_channel.queue_declare(RUNS_QUEUE, passive=True)
            return int(declared.message_count)

        wait_for(lambda: not ready(), what="an empty queue")
    said = processes.text("runs")
    assert "Rejected an invalid message" in said
    assert "Unrecoverable error" not in said
