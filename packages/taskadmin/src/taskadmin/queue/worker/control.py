"""Terminate running runs: requested by pages, executed by workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from typing import Any

from celery import Celery
from celery.worker import state as worker_state
from celery.worker.control import control_command

from ..publishing.connection import broker_errors, quick_connection
from .overseer import overseer
from .request import LedgerRequest

log = logging.getLogger("taskadmin.worker")

TERMINATE_COMMAND = "taskadmin_terminate"
#: The process that executes the run, or is about to, was told to end its function.
TERMINATED = "terminated"
#: The worker's pool has no separate process for the run: its job runs on.
IMPOSSIBLE = "impossible"
#: No worker replied in time that it executes the run, which may have finished.
UNANSWERED = "unanswered"
BROKER_AWAY = "broker away"


@control_command(name=TERMINATE_COMMAND, variadic="run_ids", signature="[id1 [id2 [... [idN]]]]")
def terminate_here(state: Any, run_ids: Iterable[Any], **_: Any) -> dict[str, str]:
    """Terminate the functions of runs that this worker executes right now.

    Prefetched messages are ignored: their runs are cancelled, and won't start.
    """
    requested = {int(run_id) for run_id in run_ids}
    answers: dict[str, str] = {}
    for request in list(worker_state.active_requests):
        if not isinstance(request, LedgerRequest):
            continue
        for run_id in requested & request.run_ids():
            is_told = request.worker_pid and overseer.terminate(run_id, request.worker_pid)
            answers[str(run_id)] = TERMINATED if is_told else IMPOSSIBLE
            if is_told:
                log.warning("Terminating run %d in process %d", run_id, request.worker_pid)
    return answers


def terminate_runs(
    celery: Celery, run_ids: Collection[int], *, timeout_seconds: float = 1.0
) -> dict[int, str]:
    """Ask all workers to end the functions of these runs, and return the result of each.

    Cancel the runs first: otherwise, another worker gets them.

    Args:
        timeout_seconds: Timeout of the replies; an unreachable broker takes no longer.

    Returns:
        ``TERMINATED``, ``IMPOSSIBLE``, ``UNANSWERED`` or ``BROKER_AWAY`` for each run.
    """
    results = dict.fromkeys(run_ids, UNANSWERED)
    if not results:
        return {}

    def note(answers: dict[str, Any]) -> None:
        for answer in answers.values():
            # A worker of an older release replies that it doesn't know the command.
            for run_id, outcome in answer.items():
                if str(run_id).isdigit() and int(run_id) in results:
                    results[int(run_id)] = str(outcome)
        if UNANSWERED not in results.values():
            raise _AllAnswered

    deadline = time.monotonic() + timeout_seconds
    connection = quick_connection(
        celery, timeout_seconds=timeout_seconds, deadline=deadline + timeout_seconds
    )
    try:
        mailbox = celery.control.mailbox(connection)
        mailbox.producer_pool = None  # its connections would wait for an unreachable broker
        mailbox.multi_call(
            TERMINATE_COMMAND, {"run_ids": list(results)}, timeout=timeout_seconds, callback=note
        )
    except _AllAnswered:
        pass
    except TimeoutError:
        pass  # no more replies in time
    except broker_errors(connection) as error:
        log.warning("Can't tell workers to terminate runs: %s", error)
        return dict.fromkeys(results, BROKER_AWAY)
    finally:
        connection.collect()  # a broker in trouble wouldn't respond to closing
    return results


class _AllAnswered(Exception):
    """All runs have a reply."""
