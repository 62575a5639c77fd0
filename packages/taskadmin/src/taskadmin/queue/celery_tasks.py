"""The Celery tasks: thin wrappers around functions over a session.

They are shared tasks, so that they exist in every Celery application. Always send them through
``app.extensions["taskadmin"].celery``, never with ``.delay()``, which may use whichever application
was created last.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from celery import shared_task
from celery.worker import state as worker_state
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..state import get_state
from ..store.database.outage import ErrorKind, first_line, is_outage, kind_of
from ..store.database.rights import log_once
from ..store.runs.results import UnsentRun
from ..values.type_names import type_name
from .celery_app.context import AppContextTask, flask_app_of
from .celery_app.queues import queues_of
from .executor.calling import ends_the_worker
from .executor.delivery import Delivery
from .executor.execution import execute, split_message
from .executor.timing import timing_of
from .launcher import dead_mans_switch
from .launcher.turns import run_turn
from .publishing.chunk_sizes import chunk_sizes
from .publishing.publisher import Publisher
from .publishing.sending import send_again
from .worker import heartbeat
from .worker.request import GivenBack

log = logging.getLogger("taskadmin.worker")


class RunTask(AppContextTask):
    """A Celery task whose messages name runs."""

    abstract = True
    Request = "taskadmin.queue.worker.request:LedgerRequest"
    #: Time limits apply to the job's function: see ``worker.limits``.
    time_limit = soft_time_limit = None


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
    """Execute runs one after the other, and complete their ``TaskResult`` rows.

    Args:
        arguments: For one run, its id and its due time in ISO 8601, which the row must match. For
            several, pairs of a due time and a list of ids.
    """
    _execute(self, arguments)


@shared_task(name="taskadmin.generate_random_number_task", **_OF_RUNS)
def generate_random_number_task(self: object, *arguments: object, **_: object) -> None:
    """Execute runs of the built-in job, under this name since the first release."""
    _execute(self, arguments)


@shared_task(name="taskadmin.runs", **_OF_RUNS)
def runs(self: Any, *arguments: Any, **_: Any) -> None:
    """Execute several runs; the name that workers of the previous release understand."""
    _execute(self, arguments)


def _execute(celery_task: Any, arguments: Sequence[Any]) -> None:
    celery, request = celery_task.app, celery_task.request
    try:
        named = _read(arguments)
    except (TypeError, ValueError, OverflowError) as error:
        log.error("Invalid message with %.200r: %s", arguments, error)
        return
    app = flask_app_of(celery)
    deliveries = _deliveries(request)
    delivery = Delivery(
        runs=named,
        worker=request.hostname or "",
        redelivered=deliveries > 1,
        heartbeat=lambda: heartbeat.current(celery, app, request.hostname or ""),
        queues=queues_of(celery, request.delivery_info),
        is_last=deliveries >= _MAX_DELIVERIES,
        send=partial(_send, celery),
        other_session=partial(_other_session, app),
    )
    try:
        session = get_state(app).session
        if deliveries > _MAX_TOGETHER and len(named) > 1:
            split_message(session, delivery)
        else:
            execute(session, delivery)
        timing_of(session).note(session)
        heartbeat.note_success(celery, of=heartbeat.RUN_WORK)
    except BaseException as error:
        if ends_the_worker(error):
            if type(error) is SystemExit:  # this process of the pool got a signal
                heartbeat.leave_to_parent()
            raise
        _forget_exit()
        if kind_of(error) is ErrorKind.NO_RIGHT:
            delivery.heartbeat().note_missing_right(first_line(error), of=heartbeat.RUN_WORK)
        _give_back(delivery, error)
    else:
        _forget_exit()


def _forget_exit() -> None:
    """Reset the exit code that a job's ``sys.exit`` left in this process of a pool.

    billiard stores each call's argument and exits with the last one, which may be text.
    """
    with suppress(SystemExit):
        sys.exit()


def _send(celery: object, session: Session, runs: Sequence[UnsentRun], alone: bool) -> None:
    seconds = get_state(flask_app_of(celery)).settings.publish_timeout_seconds
    with Publisher(celery, timeout_seconds=seconds) as publisher:
        send_again(session, publisher, runs, {} if alone else chunk_sizes(session, runs))


@contextmanager
def _other_session(app: Flask) -> Iterator[Session]:
    with app.app_context():
        yield get_state(app).session


#: Deliveries after which a message is dropped if its runs could neither be executed nor failed;
#: the reconciler sends the runs again after a while.
_MAX_DELIVERIES = 5


#: Deliveries after which each run of a message gets its own: one of them may end the process.
_MAX_TOGETHER = 2


def _deliveries(request: Any) -> int:
    """Return how often a message was delivered; only quorum queues count deliveries."""
    count = request.get("x-delivery-count")
    if count is not None:
        return int(count) + 1
    return _MAX_DELIVERIES if (request.delivery_info or {}).get("redelivered") else 1


def _give_back(delivery: Delivery, error: BaseException) -> None:
    """Return a message to the broker after an error that isn't a job's fault.

    Raises:
        GivenBack: If the broker should redeliver it, maybe to another worker.
    """
    ids = ", ".join(str(run_id) for run_id, _ in delivery.runs[:10])
    kind = kind_of(error)
    why = "the database is unreachable"
    if kind is ErrorKind.NO_RIGHT:
        why = f"the database refuses: {first_line(error)}"
        log_once(log, f"Messages of runs are requeued: {why}. Grant this worker's role the right.")
    elif kind is ErrorKind.WAIT:
        log.warning("A message (runs %s) is requeued: %s", ids, why)
    else:
        why = f"{type_name(error)}: {first_line(error)}"
        # A database error's traceback would contain the statement and its values.
        trace = None if isinstance(error, SQLAlchemyError) else error
        log.error("A message (runs %s) is requeued: %s", ids, why, exc_info=trace)
    if delivery.is_last and kind is not ErrorKind.WAIT:
        log.warning("A message (runs %s) is dropped after %d deliveries", ids, _MAX_DELIVERIES)
        return
    raise GivenBack(why) from None


def _read(arguments: Sequence[Any]) -> list[tuple[int, datetime]]:
    """Return ids and due times of a message's runs."""
    if arguments and isinstance(arguments[0], list | tuple):
        named = [(int(run_id), _moment(due_at)) for due_at, ids in arguments for run_id in ids]
    else:
        run_id, due_at = arguments
        named = [(int(run_id), _moment(due_at))]
    if not all(0 < run_id < 2**63 for run_id, _ in named):
        raise ValueError("a run's id is out of range")
    return named


@lru_cache(maxsize=128)
def _moment(due_at: str) -> datetime:
    """Parse a due time; cached, since the runs of a launch share it."""
    moment = datetime.fromisoformat(due_at)
    if moment.tzinfo is None:
        raise ValueError("a due time has no zone")
    return moment.astimezone(UTC)


def _turn(celery_task: Any) -> None:
    celery = celery_task.app
    app = flask_app_of(celery)
    state = get_state(app)

    def note(lacks: str) -> None:
        beat = heartbeat.current(celery, app, celery_task.request.hostname or "")
        beat.note_missing_right(lacks, of=heartbeat.LAUNCH_WORK)

    try:
        report = run_turn(
            state.session, celery, state.settings, stopping=_is_stopping, note_missing_right=note
        )
        if not report.lacks_right:
            heartbeat.note_success(celery, of=heartbeat.LAUNCH_WORK)
            if not report.is_broker_down:
                dead_mans_switch.signal(state.settings)
    except SQLAlchemyError as error:
        if kind_of(error) is ErrorKind.NO_RIGHT:
            log_once(log, f"The launcher can't work: {first_line(error)}")
            note(first_line(error))
        elif is_outage(error):
            log.warning("The launcher waits for the database: %s", first_line(error))
        else:
            raise


def _is_stopping() -> bool:
    """Whether this worker got a signal to stop, which Celery handles between two messages."""
    return any(
        flag is not None and flag is not False
        for flag in (worker_state.should_stop, worker_state.should_terminate)
    )


# Acknowledged early: the next turn makes up for a killed one, and redelivering a long turn would
# only keep two launchers busy.


@shared_task(
    bind=True,
    base=AppContextTask,
    name="taskadmin.launch_tasks",
    ignore_result=True,
    acks_late=False,
)
def launch_tasks(self: object) -> None:
    """Run a launcher's turn: start one run for each due task, once per due time."""
    _turn(self)


@shared_task(
    bind=True, base=AppContextTask, name="taskadmin.tick", ignore_result=True, acks_late=False
)
def tick(self: object) -> None:
    """Run a launcher's turn every few seconds: open due slots, continue launches, reconcile."""
    _turn(self)


@shared_task(
    bind=True,
    base=AppContextTask,
    name="taskadmin.ping",
    ignore_result=False,
    acks_late=False,
)
def ping(self: Any) -> str:
    """Reply with the worker's name: broker, worker and result backend work."""
    return str(self.request.hostname)
