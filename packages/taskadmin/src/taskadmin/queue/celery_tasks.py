"""The Celery tasks. Thin: what they do is beside them, as functions over a session.

They are shared tasks, so that they exist in every Celery application; they are
always sent through ``app.extensions["taskadmin"].celery``, never with ``.delay()``,
which may land in whichever application was made last.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from celery import shared_task
from celery.exceptions import Reject
from celery.worker import state as worker_state
from sqlalchemy.exc import SQLAlchemyError

from ..state import get_state
from ..store.outage import is_outage
from . import heartbeat
from .context import AppContextTask, flask_app_of
from .execution import Delivery, execute, execute_together
from .launcher import run_turn
from .limits import only_the_function_counts

log = logging.getLogger("taskadmin.worker")


class RunTask(AppContextTask):
    """A Celery task whose messages mean runs."""

    abstract = True
    Request = "taskadmin.queue.request:LedgerRequest"


_OF_RUNS = {
    "bind": True,
    "base": RunTask,
    "ignore_result": True,
    "acks_late": True,
    "reject_on_worker_lost": True,
    "max_retries": 0,
}


@shared_task(name="taskadmin.run", **_OF_RUNS)
def run(self: Any, *arguments: Any, **_: Any) -> None:
    """Execute a run and complete its ``TaskResult``.

    Args:
        arguments: The ``TaskResult``'s id, and its due time in ISO 8601: a row with
            another one isn't the one meant.
    """
    _execute(self, arguments)


@shared_task(name="taskadmin.generate_random_number_task", **_OF_RUNS)
def generate_random_number_task(self: Any, *arguments: Any, **_: Any) -> None:
    """The same for runs that draw a number, under the name that they have always had."""
    _execute(self, arguments)


@shared_task(name="taskadmin.runs", **_OF_RUNS)
def runs(self: Any, *arguments: Any, **_: Any) -> None:
    """Execute several runs, one after the other.

    Args:
        arguments: Pairs of a due time in ISO 8601 and a list of ids of ``TaskResult``s.
    """
    try:
        meant = [(number, due_at) for due_at, numbers in arguments for number in numbers]
    except (TypeError, ValueError) as error:
        log.error("A message with %.200r makes no sense: %s", arguments, error)
        return
    _execute(self, *meant)


def _execute(celery_task: Any, *meant: Any) -> None:
    celery, request = celery_task.app, celery_task.request
    app = flask_app_of(celery)
    worker = request.hostname or ""
    redelivered = bool((request.delivery_info or {}).get("redelivered"))

    def beat() -> heartbeat.Heartbeat:
        return heartbeat.current(celery, app, worker)

    deliveries = []
    for arguments in meant:
        try:
            number, moment = _read(arguments)
        except (TypeError, ValueError, OverflowError) as error:
            log.error("A message with %.200r makes no sense: %s", arguments, error)
            continue
        deliveries.append(Delivery(number, moment, worker, redelivered, beat))
    try:
        with only_the_function_counts():
            session = get_state(app).session
            if len(deliveries) == 1:
                execute(session, deliveries[0])
            elif deliveries:
                execute_together(session, deliveries)
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        # Where nothing is recorded the job wasn't called, and another worker may reach the database.
        ids = ", ".join(str(one.run_id) for one in deliveries[:10])
        log.warning("A message (runs %s) is given back: the database is away", ids)
        raise Reject(reason="the database is away", requeue=True) from error


def _read(arguments: Any) -> tuple[int, datetime]:
    run_id, due_at = arguments
    number, moment = int(run_id), _moment(due_at)
    if not 0 < number < 2**63:
        raise ValueError("no run has this id")
    return number, moment


@lru_cache(maxsize=128)
def _moment(due_at: str) -> datetime:
    """The runs of a launch, or many of them, have the same."""
    moment = datetime.fromisoformat(due_at)
    if moment.tzinfo is None:
        raise ValueError("the due time has no zone")
    return moment.astimezone(UTC)


def _turn(celery_task: Any) -> None:
    state = get_state(flask_app_of(celery_task.app))
    try:
        run_turn(state.session, celery_task.app, state.settings, stopping=_told_to_stop)
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        log.warning(
            "The launcher waits for the database: %s", str(error.__cause__ or error).strip()
        )


def _told_to_stop() -> bool:
    """Whether this worker was sent a signal; Celery looks at these between two messages."""
    return any(
        told is not None and told is not False
        for told in (worker_state.should_stop, worker_state.should_terminate)
    )


# Acknowledged early: a turn that is killed is made up for by the next one, and repeating
# a long turn because its worker died would only keep two of them busy.


@shared_task(
    bind=True,
    base=AppContextTask,
    name="taskadmin.launch_tasks",
    ignore_result=True,
    acks_late=False,
)
def launch_tasks(self: Any) -> None:
    """The launcher: start one run for each task that is due, each due time once."""
    _turn(self)


@shared_task(
    bind=True, base=AppContextTask, name="taskadmin.tick", ignore_result=True, acks_late=False
)
def tick(self: Any) -> None:
    """The same, every few seconds: open a due slot, go on with what was left behind, reconcile."""
    _turn(self)


@shared_task(
    bind=True,
    base=AppContextTask,
    name="taskadmin.ping",
    ignore_result=False,
    acks_late=False,
)
def ping(self: Any) -> str:
    """Answer with the worker's name: broker, worker and result backend are alive."""
    return str(self.request.hostname)
