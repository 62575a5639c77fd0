"""Checks of processes: workers that make no progress, and mixed stacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ...queue.celery_app.queues import consumed_queues
from ...queue.inspection import queue_states
from ...state import QueueState, get_state
from ...store.database.rights import LACKS_A_RIGHT
from ...store.database.transaction import reading
from ...store.reports import health
from ...store.reports.health import LiveProcess
from ..finding import Answer, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask

#: Timeout of one query, in seconds.
_QUERY_TIMEOUT_SECONDS = 3.0
#: A process with a heartbeat since then is alive: two heartbeat intervals.
_ALIVE_WITHIN = timedelta(seconds=10)


def held_messages(app: Flask) -> Answer:
    """Check that no worker reports that it makes no progress."""
    with reading(get_state(app).session, seconds=_QUERY_TIMEOUT_SECONDS):
        found = [one for one in health.live_processes(get_state(app).session) if one.trouble]
    if not found:
        return ok("Every worker makes progress.")
    fixes = {
        "See the check of rights: it prints what to grant, also if you run the doctor with that"
        " process's role."
        if one.trouble and one.trouble.startswith(LACKS_A_RIGHT)
        else "Check its log for what its job does, and restart that worker:"
        " other workers execute the runs that it holds."
        for one in found[:5]
    }
    return problem(
        " ".join(f"{one.name} (pid {one.pid}): {one.trouble}" for one in found[:5]),
        "\n".join(sorted(fixes)),
    )


def one_stack(app: Flask) -> Answer:
    """Check that the workers in the database are the consumers of the broker's queues.

    Two stacks may share a database but not a broker, or the other way round. Their addresses may be
    equal: each may call its own broker "rabbitmq".
    """
    state = get_state(app)
    if state.celery is None:
        return warning("Not checked: this application has no task queue.")
    with reading(state.session, seconds=_QUERY_TIMEOUT_SECONDS):
        live = health.live_processes(state.session)
    names = [queue.name for queue in consumed_queues()]
    queues = queue_states(state.celery, names, timeout_seconds=_QUERY_TIMEOUT_SECONDS)
    if queues is None:
        return ok("Not checked: this broker doesn't report the consumers of its queues.")
    for queue in queues:
        readers = [one for one in live if queue.name in one.queues.split(",")]
        recent = [one for one in readers if one.silent < _ALIVE_WITHIN]
        consumers = queue.consumers or 0
        if consumers < len(recent):
            return _elsewhere(queue, recent)
        if consumers > len(readers):
            return _strangers(queue, readers)
    return ok("The workers in the database are the consumers of the broker's queues.")


def _elsewhere(queue: QueueState, readers: Sequence[LiveProcess]) -> Answer:
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in readers[:5])
    return warning(
        f"According to the database, {_some(len(readers), 'worker consumes', 'workers consume')}"
        f" {queue.name} ({names}), but this broker has only"
        f" {_some(queue.consumers or 0, 'consumer')} there: one of them has lost its connection to"
        " the broker, or another stack with its own broker uses this database.",
        "Give each stack its own database. Check the logs of these workers.",
    )


def _strangers(queue: QueueState, readers: Sequence[LiveProcess]) -> Answer:
    return warning(
        f"This broker has {_some(queue.consumers or 0, 'consumer')} of {queue.name}, but according"
        f" to the database only {_some(len(readers), 'worker consumes', 'workers consume')} it:"
        " workers with another database take its messages, or their role may not write"
        " taskadmin_process.",
        "Give each stack its own virtual host in broker_url. See the check of rights, and the"
        " workers' logs.",
    )


def _some(number: int, one: str, more: str | None = None) -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
