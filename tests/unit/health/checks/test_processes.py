"""The doctor's checks of stuck workers, and of two stacks that share something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from taskadmin.health import Status
from taskadmin.health.checks.processes import held_messages, one_stack
from taskadmin.models import Process, ProcessKind
from taskadmin.queue.celery_app.queues import LAUNCH_QUEUE, RUNS_QUEUE

ELSEWHERE = (
    "According to the database, 2 workers consume taskadmin.runs (w0@here (pid 7), w1@here (pid 7)),"
    " but this broker has only 1 consumer there: one of them has lost its connection to the broker,"
    " or another stack with its own broker uses this database."
)
STRANGERS = (
    "This broker has 2 consumers of taskadmin.runs, but according to the database only 1 worker"
    " consumes it: workers with another database take its messages, or their role may not write"
    " taskadmin_process."
)


def test_a_worker_that_says_nothing_is_well(
    app: Flask, add_process: Callable[..., Process]
) -> None:
    """Also without workers, which another check reports."""
    with app.app_context():
        assert held_messages(app).status == Status.OK
        add_process(ProcessKind.WORKER)
        assert held_messages(app).status == Status.OK


def test_a_worker_that_gets_nothing_done_is_named(
    app: Flask, add_process: Callable[..., Process]
) -> None:
    """With its own report, and a fix for each."""
    lacks = "It lacks a right: permission denied for table x"
    add_process(ProcessKind.WORKER)
    add_process(ProcessKind.WORKER, name="stuck@here", trouble="It has held 2 messages.")
    add_process(ProcessKind.LAUNCHER, name="launcher@here", trouble=lacks)

    with app.app_context():
        found = held_messages(app)

    assert (found.status, found.found) == (
        Status.PROBLEM,
        f"launcher@here (pid 7): {lacks} stuck@here (pid 7): It has held 2 messages.",
    )
    assert found.fix == (
        "Check its log for what its job does, and restart that worker: other workers execute the runs"
        " that it holds.\n"
        "See the check of rights: it prints what to grant, also if you run the doctor with that"
        " process's role."
    )


@pytest.mark.parametrize(
    ("silent", "consumers", "found"),
    [
        # Seconds since the last heartbeat of each worker, and the broker's consumers.
        ([], 0, None),
        ([1], 1, None),
        ([1, 1], 2, None),
        ([1, 20], 1, None),  # may be dead, but its lease isn't over
        ([1, 20], 2, None),
        ([1, 1], 1, ELSEWHERE),
        ([1], 2, STRANGERS),
    ],
)
def test_workers_of_database_and_broker_are_compared(
    rabbit_app: Flask,
    queues: Any,
    add_process: Callable[..., Process],
    silent: list[float],
    consumers: int,
    found: str | None,
) -> None:
    """By queue; silent processes are no reason for a report."""
    add_process(ProcessKind.LAUNCHER, queues=LAUNCH_QUEUE)
    queues.basic_consume(LAUNCH_QUEUE)
    for number, seconds in enumerate(silent):
        add_process(ProcessKind.WORKER, silent=seconds, name=f"w{number}@here", queues=RUNS_QUEUE)
    for _ in range(consumers):
        queues.basic_consume(RUNS_QUEUE)

    with rabbit_app.app_context():
        answer = one_stack(rabbit_app)

    assert answer.status == (Status.WARNING if found else Status.OK)
    assert found is None or answer.found == found


def test_brokers_that_tell_no_consumers_are_left_alone(app: Flask) -> None:
    """Celery's in-memory broker can't."""
    with app.app_context():
        assert one_stack(app) == (
            Status.OK,
            "Not checked: this broker doesn't report the consumers of its queues.",
            None,
        )
