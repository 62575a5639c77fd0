"""Execute the runs of one message: take → check → call → record, until none is left.

A message names one run or up to a thousand. Runs that will begin within a quarter of a second are
taken together, and outcomes are recorded together as often. All state belongs to the message, since
a process may execute several messages.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...errors import BrokerUnavailable
from ...jobs import all_jobs
from ...store.database.outage import ErrorKind, first_line, kind_of
from ...store.database.transaction import end_failed
from ...store.runs import transitions
from ...store.runs.outcome_columns import FinishedRun, TakenRun
from ...values.type_names import type_name
from . import outcomes
from .calling import call_job, ends_the_worker
from .claiming import TAKE_SECONDS, Claims, described
from .delivery import Delivery, NamedRun
from .retrying import with_retries
from .run_context import run_maker
from .timing import timing_of
from .watchdog import watched

log = logging.getLogger("taskadmin.worker")

#: Runs that are taken together begin within this time, in seconds, and so do runs whose outcomes
#: are recorded together. Runs that were taken but haven't begun by then are read again.
_TOGETHER_SECONDS = 0.25
#: Runs that were read longer ago don't begin at all: this process may have been suspended since,
#: also while it waited for the response. Doubled each time, for a database that is this slow.
_STALE_SECONDS = 0.5
#: Seconds in functions after which the remaining runs of a message get messages of their own.
MESSAGE_SECONDS = 2.0
_MAX_TAKEN = 1_000


def execute(session: Session, delivery: Delivery) -> int:
    """Execute the runs that a message names, and return how many outcomes were recorded.

    The message is a hint: job and arguments come from the rows, and runs that are finished,
    cancelled, deleted or another worker's are skipped. No transaction is open while a job runs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If runs can't be taken, or outcomes can't be recorded for a
            reason other than the outcomes.
    """
    execution = Execution(session, delivery)
    try:
        with watched(execution.look) if len(delivery.runs) > 1 else contextlib.nullcontext():
            execution.execute_all()
    except BaseException as error:
        if not execution.abandon(error):
            raise
    return execution.recorded


def split_message(session: Session, delivery: Delivery) -> None:
    """Give each run of a message its own message, since together they couldn't be executed."""
    Execution(session, delivery).abandon(None)


class Execution:
    """The runs of one message during their execution."""

    def __init__(self, session: Session, delivery: Delivery) -> None:
        self._session = session
        self._delivery = delivery
        self._token = uuid4()
        self._claims = Claims(session, delivery, self._token)
        self._timing = timing_of(session)
        self.recorded = 0
        #: Guards the following attributes; a run is in exactly one of the lists, or called.
        self._lock = threading.Lock()
        # Without duplicates: a launcher may have died before it recorded what it had sent.
        self._left: deque[NamedRun] = deque(dict.fromkeys(delivery.runs))
        self._taken: deque[TakenRun] = deque()
        self._called: TakenRun | None = None
        self._done: list[FinishedRun] = []
        self._leaving: list[NamedRun] = []
        #: Seconds in functions, without the current one.
        self._seconds = 0.0
        #: Whether none of the taken runs has begun.
        self._is_first = True
        self._since = self._asked_at = self._taken_at = time.monotonic()
        self._stale_seconds = _STALE_SECONDS
        #: Only one thread records at a time.
        self._recording = threading.Lock()

    def execute_all(self) -> None:
        """Execute all runs."""
        while self._take():
            while (run := self._begin()) is not None:
                self._end(self._call(run))

    # Take

    def _take(self) -> bool:
        """Record outcomes and take the next runs; return False if none is left."""
        self.record(self._session)
        while self._left and not self._taken:
            upcoming = list(islice(self._left, _MAX_TAKEN))
            self._asked_at = time.monotonic()
            taken, rest = self._claims.take(upcoming, _TOGETHER_SECONDS)
            self._left = deque([*rest, *islice(self._left, len(upcoming), None)])
            self._taken.extend(taken)
            self._taken_at = time.monotonic()
        self._is_first = True
        return bool(self._taken)

    # Call

    def _begin(self) -> TakenRun | None:
        """Return the next run to call; None if the taken runs must be read again."""
        with self._lock:
            now = time.monotonic()
            if self._seconds > MESSAGE_SECONDS and (self._taken or self._left):
                self._leave_rest()
            if self._is_stale(now):
                self._left.extendleft((run.id, run.due_at) for run in reversed(self._taken))
                self._taken.clear()
            if not self._taken:
                return None
            self._is_first = False
            self._called, self._since = self._taken.popleft(), now
            return self._called

    def _is_stale(self, now: float) -> bool:
        """Whether the taken runs must be read again before one begins."""
        if not self._is_first:
            return now - self._taken_at > _TOGETHER_SECONDS
        if now - self._asked_at <= self._stale_seconds:
            return False
        self._stale_seconds *= 2
        return True

    def _call(self, run: TakenRun) -> FinishedRun:
        """Call the run's job, and decide whether to retry."""
        result = call_job(
            self._session,
            run.job,
            run.task_params,
            self._delivery.worker,
            run_maker(self._session, run, self._token),
            self.over,
            run_id=run.id,
        )
        if run.job in all_jobs():
            self._timing.add(run.job, result.outcome.elapsed.total_seconds())
        fails = result.outcome.error_type is not None
        return FinishedRun(
            run,
            result.outcome,
            outcomes.retry_delay(run) if fails and result.may_be_repeated else None,
        )

    def _end(self, finished: FinishedRun) -> None:
        with self._lock:
            self._seconds += time.monotonic() - self._since
            if self._called is not None:  # None if ``over`` has recorded it
                self._done.append(finished)
            self._called = None

    # Record

    def record(self, session: Session, *, seconds: float | None = None) -> None:
        """Record outcomes, and give back the runs that leave the message.

        Args:
            seconds: How long to wait for the database; None waits without limit.
        """
        with self._recording:
            with self._lock:
                done, self._done = self._done, []
            try:
                if done:
                    self._record(session, done, seconds)
            except BaseException:
                with self._lock:
                    self._done[:0] = done
                raise
            self._hand_over(session, seconds)

    def _record(self, session: Session, done: Sequence[FinishedRun], seconds: float | None) -> None:
        what = f"Recording {described([one.run for one in done])}"
        try:
            recorded = with_retries(
                session,
                lambda: transitions.finish(session, done, self._token),
                what=what,
                seconds=seconds,
            )
        except Exception as error:
            if kind_of(error) is not ErrorKind.REFUSED:
                raise
            # Record one by one, to find the outcome that would be refused every time.
            for one in done if len(done) > 1 else ():
                self._record(session, [one], seconds)
            if len(done) == 1:
                if done[0].outcome.error_type == "UnstorableResult":
                    raise
                self._record(session, [outcomes.failure_if_refused(done[0], error)], seconds)
            return
        self.recorded += len(recorded)
        self._claims.claimed.difference_update(one.run.id for one in done)
        self._claims.is_shared |= len(recorded) < len(done)
        outcomes.log_outcomes(done, recorded)
        for one in done:
            if one.outcome.error_type and one.run.id in recorded:
                outcomes.pause_after_failures(session, one.run.task_id)

    def _hand_over(self, session: Session, seconds: float | None) -> None:
        with self._lock:
            ids = [run_id for run_id, _ in self._leaving]
        if not ids:
            return
        log.info("%d runs of a slow message get messages of their own", len(ids))
        self._give_back(session, ids, alone=False, seconds=seconds)
        with (
            self._lock
        ):  # afterwards, so that a failure is retried and none of them begins meanwhile
            del self._leaving[: len(ids)]

    def _give_back(
        self, session: Session, ids: Sequence[int], *, alone: bool, seconds: float | None = None
    ) -> None:
        given = with_retries(
            session,
            lambda: transitions.give_back(session, ids, self._token),
            what=f"Giving back {len(ids)} runs",
            seconds=seconds,
        )
        self._claims.claimed.difference_update(ids)
        try:
            self._delivery.send(session, given, alone)
        except BrokerUnavailable as error:
            log.warning("The next launcher sends %d runs: %s", len(given), error)

    def _leave_rest(self) -> None:
        """Let all runs leave that haven't begun; the caller holds the lock."""
        self._leaving += [(run.id, run.due_at) for run in self._taken]
        self._leaving += self._left
        self._taken.clear()
        self._left.clear()

    # Called from other threads

    def look(self) -> None:
        """While a function is slow, record earlier outcomes and let the remaining runs leave."""
        with self._lock:
            if self._called is None:
                return
            ran = time.monotonic() - self._since
            if self._seconds + ran > MESSAGE_SECONDS:
                self._leave_rest()
            has_work = self._leaving or (self._done and ran > _TOGETHER_SECONDS)
        if has_work and self._delivery.other_session is not None:
            with self._delivery.other_session() as session:
                self.record(session, seconds=0)

    def over(self, limit: float) -> None:
        """Record that the function reached its time limit, and give back runs that haven't begun.

        Its process is killed afterwards. A function that returned meanwhile was within its limit.
        """
        with self._lock:
            run, self._called = self._called, None
            if run is None:
                return
            self._leave_rest()
            self._done.append(outcomes.over_time(run, self._delivery.worker, limit, self._since))
        if self._delivery.other_session is not None:
            with self._delivery.other_session() as session:
                self.record(session)

    # After an error

    def abandon(self, error: BaseException | None) -> bool:
        """Queue runs again that won't finish here; return whether the error is handled by that.

        Claimed runs would stay running as long as this process sends heartbeats. The error doesn't
        count as an attempt of their jobs, until the message's last delivery.
        """
        ends = error is not None and ends_the_worker(error)
        kind = None if error is None else kind_of(error)
        if error is not None and (ends or kind is ErrorKind.WAIT):
            self._record_last(error)
        if ends and type(error) is SystemExit:
            # This child of a pool exits; its parent sees that, and knows if it was too slow.
            return False
        passes = ends or kind in (ErrorKind.WAIT, ErrorKind.NO_RIGHT)
        # Runs that another thread is recording must not be given back.
        with self._recording, self._lock:
            begun = {one.run.id for one in self._done}
            begun |= {self._called.id} if self._called else set()
            self._leave_rest()
            unbegun = [run_id for run_id, _ in self._leaving if run_id not in begun]
            self._called, self._leaving, self._done = None, [], []
        if len(self._delivery.runs) > 1 and not passes:
            # If the run that causes this is alone in its message, the others don't fail with it.
            if error is not None:
                end_failed(self._session, error)
                log.warning(
                    "Runs of a failed message get messages of their own: %s: %s",
                    type_name(error),
                    first_line(error),
                )
            ids = sorted({*begun, *unbegun, *self._claims.claimed})
            self._give_back(self._session, ids, alone=True)
            return True
        self._release_claimed(error)
        return False

    def _record_last(self, error: BaseException) -> None:
        """Record outcomes from before *error*, which are unrelated to it."""
        with contextlib.suppress(SQLAlchemyError):
            end_failed(self._session, error)
            seconds = 0.0 if type(error) is SystemExit else TAKE_SECONDS
            self.record(self._session, seconds=seconds)

    def _release_claimed(self, error: BaseException | None) -> None:
        if not self._claims.claimed or error is None:
            return
        problem, delivery = None, self._delivery
        if not ends_the_worker(error) and kind_of(error) is not ErrorKind.WAIT:
            if delivery.is_last:
                problem = f"Its worker failed: {type_name(error)}: {first_line(error)}"
            else:
                # At once, since the message will be redelivered.
                with contextlib.suppress(SQLAlchemyError):
                    end_failed(self._session, error)
                    transitions.give_back(self._session, self._claims.claimed, self._token)
                    return
        heartbeat = delivery.heartbeat()
        for run_id in sorted(self._claims.claimed):
            heartbeat.give_back(run_id, self._token, problem=problem)
