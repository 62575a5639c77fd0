"""Ending the process that executes a run: asked for by a page, done by the worker."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Collection, Iterable
from typing import Any

from celery import Celery
from celery.worker import state as worker_state
from celery.worker.control import control_command

from .connection import broker_errors, quick_connection
from .request import LedgerRequest

log = logging.getLogger("taskadmin.worker")

COMMAND = "taskadmin_terminate"
#: The process that executed the run was sent a signal.
TERMINATED = "terminated"
#: The worker's pool has no process for the run alone: its job goes on.
IMPOSSIBLE = "impossible"
#: No worker said in time that it executes the run: it may be over.
UNANSWERED = "unanswered"
BROKER_AWAY = "broker away"

#: Seconds from SIGTERM, which a job in C code doesn't see, to SIGKILL.
_GRACE = 5.0


@control_command(name=COMMAND, variadic="run_ids", signature="[id1 [id2 [... [idN]]]]")
def terminate_here(state: Any, run_ids: Iterable[Any], **_: Any) -> dict[str, str]:
    """Terminate the jobs of runs; only what this worker executes right now.

    Messages that wait here are left alone: their runs are cancelled, and nothing starts them.
    """
    wanted = {int(run_id) for run_id in run_ids}
    found: dict[str, str] = {}
    for request in list(worker_state.active_requests):
        run_id = _run_of(request)
        if run_id in wanted:
            found[str(run_id)] = _terminate(state.consumer, request, run_id)
    return found


def _run_of(request: Any) -> int | None:
    if not isinstance(request, LedgerRequest) or not request.args:
        return None
    try:
        return int(request.args[0])
    except (TypeError, ValueError):
        return None


def _terminate(consumer: Any, request: LedgerRequest, run_id: int) -> str:
    # Imported here: it is for machines with processes, and workers of other pools do without.
    from celery.concurrency.prefork import TaskPool

    pool, pid = consumer.pool, request.worker_pid
    if not isinstance(pool, TaskPool) or not request.time_start:
        return IMPOSSIBLE
    log.warning("Run %d is terminated: process %d is told to end", run_id, pid)
    request.terminate(pool, signal="TERM")
    # If it is no child of the pool any more by then, nothing is sent.
    consumer.timer.call_after(_GRACE, pool.terminate_job, (pid, signal.SIGKILL))
    return TERMINATED


def terminate_runs(
    celery: Celery, run_ids: Collection[int], *, timeout_seconds: float = 1.0
) -> dict[int, str]:
    """Ask all workers to end the processes that execute these runs, and say what came of each.

    Cancel the runs before: one that isn't is given to another worker.

    Args:
        timeout_seconds: Longest wait for answers; a broker that is away takes no longer.

    Returns:
        ``TERMINATED``, ``IMPOSSIBLE``, ``UNANSWERED`` or ``BROKER_AWAY`` for each run.
    """
    told = dict.fromkeys(run_ids, UNANSWERED)
    if not told:
        return {}

    def note(answers: dict[str, Any]) -> None:
        for answer in answers.values():
            # A worker of an older release doesn't know the command, and says so.
            for run_id, outcome in answer.items():
                if str(run_id).isdigit() and int(run_id) in told:
                    told[int(run_id)] = str(outcome)
        if UNANSWERED not in told.values():
            raise _AllAnswered

    deadline = time.monotonic() + timeout_seconds
    connection = quick_connection(
        celery, timeout_seconds=timeout_seconds, deadline=deadline + timeout_seconds
    )
    try:
        mailbox = celery.control.mailbox(connection)
        mailbox.producer_pool = None  # its connections wait for a broker that is away
        mailbox._broadcast(  # noqa: SLF001 - what Celery's own control calls
            COMMAND,
            {"run_ids": list(told)},
            reply=True,
            timeout=timeout_seconds,
            callback=note,
        )
    except _AllAnswered:
        pass
    except TimeoutError:
        pass  # the time for answers is over
    except broker_errors(connection) as error:
        log.warning("Workers couldn't be told to end runs: %s", error)
        return dict.fromkeys(told, BROKER_AWAY)
    finally:
        connection.collect()  # a broker in trouble doesn't answer a farewell
    return told


class _AllAnswered(Exception):
    """Nothing is left to wait for."""
