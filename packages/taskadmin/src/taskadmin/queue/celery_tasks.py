"""The Celery tasks. Thin: what they do is beside them, as functions over a session.

They are shared tasks, so that they exist in every Celery application; they are
always sent through ``app.extensions["taskadmin"].celery``, never with ``.delay()``,
which may land in whichever application was made last.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from ..state import get_state
from .context import AppContextTask, flask_app_of
from .execution import execute
from .launcher import run_turn

log = logging.getLogger("taskadmin.worker")


@shared_task(
    bind=True,
    base=AppContextTask,
    name="taskadmin.generate_random_number_task",
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=0,
)
def generate_random_number_task(self: Any, run_id: int, due_at: str) -> None:
    """Draw a number from the range of a run and complete its ``TaskResult``.

    Args:
        run_id: The ``TaskResult``'s id.
        due_at: Its due time in ISO 8601; a row with another one isn't the one meant.
    """
    try:
        number, moment = int(run_id), datetime.fromisoformat(due_at)
        if moment.tzinfo is None:
            raise ValueError("the due time has no zone")
        moment = moment.astimezone(UTC)
        if not 0 < number < 2**63:
            raise ValueError("no run has this id")
    except (TypeError, ValueError, OverflowError) as error:
        log.error("A message for %r due %r makes no sense: %s", run_id, due_at, error)
        return
    execute(get_state(flask_app_of(self.app)).session, number, moment, worker=self.request.hostname)


def _turn(celery_task: Any) -> None:
    state = get_state(flask_app_of(celery_task.app))
    run_turn(state.session, celery_task.app, state.settings)


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
    """The launcher: start one run for each enabled task, once for the slot that is due."""
    _turn(self)


@shared_task(
    bind=True, base=AppContextTask, name="taskadmin.tick", ignore_result=True, acks_late=False
)
def tick(self: Any) -> None:
    """The same, every few seconds: open a due slot, go on with launches left behind."""
    _turn(self)


@shared_task(
    bind=True,
    name="taskadmin.ping",
    ignore_result=False,
    acks_late=False,
)
def ping(self: Any) -> str:
    """Answer with the worker's name: broker, worker and result backend are alive."""
    return str(self.request.hostname)
