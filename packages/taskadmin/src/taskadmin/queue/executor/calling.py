"""Call a run's job, and turn its result or exception into an outcome."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

from celery.exceptions import WorkerShutdown, WorkerTerminate
from pydantic import ValidationError
from sqlalchemy.orm import Session

from ...jobs import Redaction, Run, all_jobs, get_job
from ...store.runs.outcome import Outcome
from ...values.type_names import type_name
from ..worker.limits import Over, around, function_runs

log = logging.getLogger("taskadmin.worker")

#: Exit codes of a pool's process that gets a signal (billiard: the signal's number minus 256).
#: A job that calls ``sys.exit`` only fails its run.
_SIGNAL_EXITS = range(-255, -191)

#: The original descriptor: an exception class of a job may define a property of this name, which
#: may raise.
_TRACEBACK = vars(BaseException)["__traceback__"]

#: Creates the ``Run`` for a job that takes it, given the redaction of secrets.
MakeRun = Callable[[Redaction], Run]


class CallResult(NamedTuple):
    """One call of a job."""

    outcome: Outcome
    #: False for errors that would repeat every time.
    may_be_repeated: bool


def ends_the_worker(error: BaseException) -> bool:
    """Whether *error* was raised to end this process, not by the job.

    KeyboardInterrupt isn't: Celery's workers handle Ctrl-C themselves, and Python raises it in the
    main thread only, where the embedded worker doesn't run.
    """
    # By type: isinstance() would ask the job's object for its class.
    if issubclass(type(error), WorkerShutdown | WorkerTerminate):
        return True
    code = error.code if type(error) is SystemExit else None
    return type(code) is int and code in _SIGNAL_EXITS


@around
def call_job(
    session: Session,
    job_name: str,
    arguments: dict[str, object],
    worker: str,
    make_run: MakeRun,
    over: Over | None = None,
    *,
    run_id: int,
) -> CallResult:
    """Call a job with a run's arguments, under its time limits; any exception is its failure.

    The outcome contains no value of a secret argument.

    Args:
        session: The host's session, which this worker uses, too.
        over: Called from another thread before the process is killed at the hard time limit
            (``limits.function_runs``).
    """
    begun = time.monotonic()
    job = all_jobs().get(job_name)
    limited = partial(function_runs, run_id, job, over)
    redact = Redaction(arguments, () if job is None else job.masked)
    run = None if job is None or job.run_parameter is None else make_run(redact)
    misfit = False
    try:
        with limited():
            try:
                job = get_job(job_name)
                checked = job.check(arguments)
            except ValidationError:
                misfit = True
                raise
            redact.learn(checked)
        if job.run_parameter is not None:
            checked[job.run_parameter] = run
        function = _in_a_frame(job.function)
        with limited():
            value = function(**checked)
        outcome = _returned(worker, _since(begun), redact.of(value))
    except BaseException as error:
        if ends_the_worker(error):
            raise
        outcome = Outcome(
            worker=worker,
            elapsed=_since(begun),
            error_type=redact(type_name(error)),
            error=redact(_formatted(error, misfit, limited)),
        )
    _safely(lambda: _drop_leftovers(session), "Can't roll back a job's transaction")
    if run is not None:
        _safely(run.flush, "Can't store a job's last progress")
    return CallResult(outcome, may_be_repeated=job is not None and not misfit)


def _since(begun: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - begun)


def _returned(worker: str, elapsed: timedelta, value: Any) -> Outcome:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Outcome(
        worker=worker,
        elapsed=elapsed,
        result=value if number else None,
        output=None if number else value,
    )


def _in_a_frame(function: Callable[..., object]) -> Callable[..., object]:
    """Return a Python function whose code isn't its caller's, even if *function* is in C."""
    if isinstance(function, FunctionType):
        return function
    return lambda **arguments: function(**arguments)


@around
def _formatted(problem: BaseException, misfit: bool, limited: Callable[[], function_runs]) -> str:
    """Format an exception with its traceback, before redaction."""
    try:
        with limited():
            if misfit and isinstance(problem, ValidationError):
                return _formatted_misfit(problem)
            return "".join(traceback.format_exception(problem))
    except BaseException as error:
        if ends_the_worker(error):
            raise
        return (
            f"Traceback (most recent call last):\n{_frames(problem)}{type_name(problem)}:"
            f" formatting the exception raised {type_name(error)}"
        )


def _frames(problem: BaseException) -> str:
    """Format the frames without source lines, since a module's loader may raise, too."""
    return "".join(
        f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}\n'
        for frame, line in traceback.walk_tb(_TRACEBACK.__get__(problem))
    )


def _formatted_misfit(problem: ValidationError) -> str:
    """Format pydantic's error without the values, which belong to the run's arguments."""
    lines = [f"{type_name(problem)}: the arguments don't fit {problem.title}"]
    for error in problem.errors(include_url=False, include_context=False, include_input=False):
        lines += [".".join(map(str, error["loc"])), f"  {error['msg']} [type={error['type']}]"]
    return "\n".join(filter(None, lines))


def _drop_leftovers(session: Session) -> None:
    """Roll back the transaction that the job left open in the host's session.

    Its uncommitted changes must not be committed with the run's outcome, and its failed transaction
    must not affect the outcome.
    """
    try:
        if session.in_transaction():
            session.rollback()
    except BaseException:
        session.invalidate()  # the connection's state is unknown
        raise


def _safely(do: Callable[[], None], warning: str) -> None:
    """Call something that may run host code, without losing the outcome if it raises."""
    try:
        do()
    except BaseException as error:
        if ends_the_worker(error):
            raise
        log.warning("%s: %s", warning, type_name(error))
