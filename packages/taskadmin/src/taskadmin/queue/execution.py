"""What a worker does with a run: take it, run the job, record what came of it."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from celery.exceptions import WorkerShutdown, WorkerTerminate
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..errors import UnknownJob
from ..jobs import Job, Progress, Run, all_jobs, get_job, redact
from ..store import claims, pauses, progress, recovery, unclaimed
from ..store.claims import ClaimedRun
from ..store.outage import is_outage
from ..store.outcome import Outcome
from ..store.unclaimed import OpenRun
from .heartbeat import Heartbeat
from .limits import function_runs
from .patience import patiently

log = logging.getLogger("taskadmin.worker")

#: How long a worker tries to take a run before it gives the message back, in seconds.
#: What a job returned is recorded however long that takes.
TAKE_SECONDS = 20.0


#: What a process of the pool that is sent a signal exits with (billiard: the signal's number
#: minus 256). A job that calls ``sys.exit`` itself fails its run and nothing else.
_TOLD_TO_END = range(-255, -191)


class Delivery(NamedTuple):
    """One arrival of a message at a worker."""

    run_id: int
    due_at: datetime
    worker: str
    #: Whether the broker has delivered it before: its first worker may have executed it.
    redelivered: bool
    #: This process, for runs that are claimed.
    heartbeat: Callable[[], Heartbeat]


def execute(session: Session, delivery: Delivery) -> bool:
    """Execute the run that a message means; False if there was nothing to do.

    The message is a hint: job and arguments come from the row, and a run that is
    finished, cancelled, deleted or somebody else's is left alone. No transaction is
    open while the job runs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If the run couldn't be taken: its job wasn't called.
    """
    run_id = delivery.run_id
    run = patiently(
        session,
        lambda: unclaimed.open_run(session, run_id, delivery.due_at),
        what=f"Reading run {run_id}",
        seconds=TAKE_SECONDS,
    )
    if run is None:
        log.info("Run %d is taken, finished or gone; its message is dropped", run_id)
        return False
    job = all_jobs().get(run.job)
    if _may_go_unclaimed(job, run, delivery):
        return _execute_unclaimed(session, delivery, job, run)
    return _execute_claimed(session, delivery)


#: Runs recorded in one statement, and after how many seconds those that are done are recorded and
#: those that are left are read again.
_TOGETHER, _TOGETHER_SECONDS = 1_000, 0.25
#: So long one message keeps a worker; the runs that are left get messages of their own.
_MESSAGE_SECONDS = 60.0


def execute_together(session: Session, deliveries: Sequence[Delivery]) -> None:
    """Execute the runs of one message, as ``execute`` does each, and record successes together.

    Runs that were ended meanwhile (cancelled, deleted) are left alone as soon as that is seen:
    what is left is read again after ``_TOGETHER_SECONDS``, between two runs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If runs couldn't be taken: what is recorded stays so, and
            the message, delivered again, has the rest executed.
        Exception: Something unforeseen: what isn't recorded gets messages of its own.
    """
    try:
        _execute_each(session, deliveries)
    except Exception as error:
        # Celery acknowledges the message, and only after the jobs' time limit would they be sent
        # again. One by one it shows whose it is.
        if not is_outage(error):
            _drop_leftovers(session)
            _postpone(session, [one.run_id for one in deliveries], why="something went wrong")
        raise


def _execute_each(session: Session, deliveries: Sequence[Delivery]) -> None:
    # What a launcher sent before it died lies in the queue beside what the next one sent again.
    deliveries = list({(one.run_id, one.due_at): one for one in deliveries}.values())
    found = _read(session, deliveries)
    token, begun = uuid4(), time.monotonic()
    waiting: list[tuple[Delivery, OpenRun, Outcome]] = []
    # When what is left was read last.
    since = begun

    def record() -> None:
        if waiting:
            _record_together(session, waiting, token)
            waiting.clear()

    for place, delivery in enumerate(deliveries):
        moment = time.monotonic()
        if moment - begun > _MESSAGE_SECONDS:
            record()
            _postpone(session, [one.run_id for one in deliveries[place:]], why="it took long")
            return
        if moment - since > _TOGETHER_SECONDS:
            record()
            found, since = _read(session, deliveries[place:]), time.monotonic()
        run = found.get((delivery.run_id, delivery.due_at))
        if run is None:
            continue
        job = all_jobs().get(run.job)
        if job is None or not _may_go_unclaimed(job, run, delivery):
            record()
            execute(session, delivery)
            continue
        context = _context(session, delivery, run.task_id, run.launch_id, 1, None)
        attempt = _attempt(session, run.job, run.task_params, delivery.worker, context)
        if attempt.outcome.error_type is None:
            waiting.append((delivery, run, attempt.outcome))
        else:
            _record_unclaimed(session, delivery, job, run, attempt, uuid4())
        if len(waiting) >= _TOGETHER:
            record()
    record()


def _read(session: Session, deliveries: Sequence[Delivery]) -> dict[tuple[int, datetime], OpenRun]:
    ids = [delivery.run_id for delivery in deliveries]
    what = f"Reading {len(ids)} runs"
    return patiently(
        session, lambda: unclaimed.open_runs(session, ids), what=what, seconds=TAKE_SECONDS
    )


def _postpone(session: Session, run_ids: Sequence[int], *, why: str) -> None:
    log.warning("%d runs of a message get messages of their own: %s", len(run_ids), why)
    what = f"Postponing {len(run_ids)} runs"
    patiently(session, lambda: recovery.postpone(session, run_ids), what=what)


def _record_together(
    session: Session, done: Sequence[tuple[Delivery, OpenRun, Outcome]], token: UUID
) -> None:
    successes = [
        unclaimed.Success(delivery.run_id, delivery.due_at, outcome)
        for delivery, _, outcome in done
    ]
    what = f"Recording {len(done)} runs"
    try:
        recorded = patiently(
            session, lambda: unclaimed.complete_together(session, successes, token), what=what
        )
    except SQLAlchemyError:
        # No outage: the database refuses an outcome. One by one it shows which.
        for delivery, run, outcome in done:
            job = all_jobs().get(run.job)
            _record_unclaimed(session, delivery, job, run, _Attempt(outcome, True), uuid4())
        return
    for delivery, *_ in done:
        if delivery.run_id not in recorded:
            log.warning("Run %d was ended by somebody else", delivery.run_id)
    if recorded:
        log.info("%d runs succeeded", len(recorded))


def _may_go_unclaimed(job: Job | None, run: OpenRun, delivery: Delivery) -> bool:
    """Whether no other worker can be at this run, so that its start needn't be recorded."""
    if job is not None and job.record_start:
        return False
    return not (delivery.redelivered or run.publishes or run.attempts or run.token)


def _execute_unclaimed(session: Session, delivery: Delivery, job: Job | None, run: OpenRun) -> bool:
    context = _context(session, delivery, run.task_id, run.launch_id, 1, None)
    attempt = _attempt(session, run.job, run.task_params, delivery.worker, context)
    return _record_unclaimed(session, delivery, job, run, attempt, uuid4())


def _record_unclaimed(
    session: Session,
    delivery: Delivery,
    job: Job | None,
    run: OpenRun,
    attempt: _Attempt,
    token: UUID,
) -> bool:
    def record(outcome: Outcome) -> bool:
        if outcome.error_type and job and job.max_attempts > 1 and attempt.may_be_repeated:
            delay = timedelta(seconds=job.delay_after(1))
            return unclaimed.retry_unclaimed(
                session, delivery.run_id, delivery.due_at, token, outcome, delay
            )
        return unclaimed.complete_unclaimed(
            session, delivery.run_id, delivery.due_at, token, outcome
        )

    return _record(session, delivery, run, attempt.outcome, record)


def _execute_claimed(session: Session, delivery: Delivery) -> bool:
    token = uuid4()
    heartbeat = delivery.heartbeat()
    try:
        run = _claim(session, delivery, heartbeat, token)
        if run is None:
            log.info("Run %d belongs to another worker; its message is dropped", delivery.run_id)
            return False
        context = _context(session, delivery, run.task_id, run.launch_id, run.attempts, token)
        attempt = _attempt(session, run.job, run.task_params, delivery.worker, context)

        def record(outcome: Outcome) -> bool:
            if attempt.may_be_repeated and run.attempts < run.max_attempts and outcome.error_type:
                delay = timedelta(seconds=get_job(run.job).delay_after(run.attempts))
                return claims.retry_later(session, delivery.run_id, run, token, outcome, delay)
            return claims.complete(session, delivery.run_id, run, token, outcome)

        return _record(session, delivery, run, attempt.outcome, record)
    except BaseException as error:
        # Nobody will finish it, if it was claimed, which a lost answer leaves open: as long as
        # this process's id is beaten, it would stay running.
        if isinstance(error, SystemExit) and not isinstance(
            error, WorkerShutdown | WorkerTerminate
        ):
            raise  # This child of a pool ends; its parent sees that, and knows whether it was too slow.
        stops = isinstance(error, SystemExit)
        problem = None if stops else f"Its worker failed: {_type_name(error)}: {error}"
        heartbeat.give_back(delivery.run_id, token, problem=problem)
        raise


def _claim(
    session: Session, delivery: Delivery, heartbeat: Heartbeat, token: UUID
) -> ClaimedRun | None:
    def claim() -> ClaimedRun | None:
        return claims.claim(
            session,
            delivery.run_id,
            delivery.due_at,
            token=token,
            process_id=heartbeat.process_id(),
            worker=delivery.worker,
        )

    what = f"Claiming run {delivery.run_id}"
    run = patiently(session, claim, what=what, seconds=TAKE_SECONDS)
    if run is None and patiently(session, heartbeat.renew, what=what, seconds=TAKE_SECONDS):
        # This process had been taken for gone, which is why it got nothing.
        run = patiently(session, claim, what=what, seconds=TAKE_SECONDS)
    return run


class _Attempt(NamedTuple):
    outcome: Outcome
    #: False for what would fail the same way every time.
    may_be_repeated: bool


def _context(
    session: Session,
    delivery: Delivery,
    task_id: int,
    launch_id: int,
    attempt: int,
    token: UUID | None,
) -> Callable[[], Run]:
    """What the job is told of its run, made only for jobs that want it."""

    def save(said: Progress) -> None:
        progress.save_progress(session, delivery.run_id, token, said)

    def make() -> Run:
        return Run(
            task_id=task_id,
            run_id=delivery.run_id,
            launch_id=launch_id,
            attempt=attempt,
            due_at=delivery.due_at,
            sink=save,
            earlier=progress.earlier_progress(session, delivery.run_id) if attempt > 1 else None,
        )

    return make


def _attempt(
    session: Session,
    job_name: str,
    arguments: dict[str, Any],
    worker: str,
    context: Callable[[], Run],
) -> _Attempt:
    begun = time.monotonic()
    run: Run | None = None
    job: Job | None = None
    value: Any = None
    problem: BaseException | None = None
    may_be_repeated = True
    try:
        try:
            job = get_job(job_name)
            checked = job.check(arguments)
        except (UnknownJob, ValidationError):
            may_be_repeated = False
            raise
        if job.run_parameter is not None:
            run = context()
            checked[job.run_parameter] = run
        with function_runs():
            value = job.function(**checked)
    except (WorkerShutdown, WorkerTerminate):
        raise  # Celery's own way to end a worker
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code in _TOLD_TO_END:
            raise
        problem, value = error, None
    _drop_leftovers(session)
    if run is not None:
        run.flush()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    outcome = Outcome(
        worker=worker,
        elapsed=timedelta(seconds=time.monotonic() - begun),
        result=value if number else None,
        output=None if number else value,
        error_type=None if problem is None else _type_name(problem),
        error=None if problem is None else _told(problem, arguments, job),
    )
    return _Attempt(outcome, may_be_repeated)


def _told(problem: BaseException, arguments: dict[str, Any], job: Job | None) -> str:
    """The traceback, without the values that nobody may read."""
    text = "".join(traceback.format_exception(problem))
    return redact(text, arguments, job.masked if job is not None else ())


def _drop_leftovers(session: Session) -> None:
    """End what the job left open in the host's session, which is this one, too.

    What it didn't commit must not be committed with the run's outcome, and a transaction that
    failed under it must not take the outcome with it.
    """
    if session.in_transaction():
        with contextlib.suppress(SQLAlchemyError):
            session.rollback()


def _type_name(problem: BaseException) -> str:
    kind = type(problem)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _record(
    session: Session,
    delivery: Delivery,
    run: OpenRun | ClaimedRun,
    outcome: Outcome,
    record: Callable[[Outcome], bool],
) -> bool:
    what = f"Recording run {delivery.run_id}"
    try:
        recorded = patiently(session, lambda: record(outcome), what=what)
    except SQLAlchemyError as error:
        # No outage: the database refuses this very outcome, and would do so every time.
        refused = Outcome(
            worker=delivery.worker,
            elapsed=outcome.elapsed,
            error_type="UnstorableResult",
            error=f"The database refused the outcome: {getattr(error, 'orig', error)}",
        )
        outcome = refused
        recorded = patiently(session, lambda: record(refused), what=what)
    ids = {"run_id": delivery.run_id, "task_id": run.task_id, "launch_id": run.launch_id}
    if not recorded:
        log.warning("Run %d was ended by somebody else", delivery.run_id, extra=ids)
    elif outcome.error_type is None:
        log.info(
            "Run %d of task %d succeeded after %.0f ms",
            delivery.run_id,
            run.task_id,
            outcome.elapsed.total_seconds() * 1000,
            extra=ids,
        )
    else:
        log.error(
            "Run %d of task %d failed: %s",
            delivery.run_id,
            run.task_id,
            outcome.error_type,
            extra=ids,
        )
        _pause_after_failures(session, run.task_id)
    return recorded


def _pause_after_failures(session: Session, task_id: int) -> None:
    try:
        if pauses.pause_after_failures(session, task_id):
            log.warning("Task %d is paused: its runs failed too often", task_id)
    except SQLAlchemyError as error:
        # The run is recorded; the next failure asks again.
        log.warning("It could not be seen whether task %d is to be paused: %s", task_id, error)
