"""Sending runs: after their rows are committed, until the broker has confirmed each of them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from amqp.exceptions import MessageNacked  # type: ignore[import-untyped]
from celery import Celery
from kombu import Connection, Producer
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..store import launches, recovery
from ..store.launches import LaunchLost
from ..store.results import UnsentRun
from .confirms import ConfirmedChannel
from .connection import broker_errors, is_rabbitmq, quick_connection
from .names import GATHERED, LAUNCH_QUEUE, TOGETHER_TASK, consumed_queues, dead_queue
from .prepared import RUN, TASK_ID, Template, wants_each_message

log = logging.getLogger("taskadmin.queue")

#: Runs sent between two moves of the launch's cursor: what is sent again after a crash, at most.
BATCH = 2_000
#: The Celery task of runs whose job isn't known here.
RUN_TASK = "taskadmin.run"
#: So few runs are sent one by one: preparing wouldn't pay.
_FEW = 5
#: What RabbitMQ says of a queue that isn't there.
_NOT_FOUND = 404
#: What it says where a user lacks a right.
_ACCESS_REFUSED = 403

#: Queues that this process declared, by the broker's address; "" stands for all of taskadmin's.
_declared: set[tuple[str, str]] = set()
#: Addresses of brokers that refused a message for the default exchange.
_default_exchange_closed: set[str] = set()


class Publisher:
    """Sends over one broker connection, which is opened when it is first needed.

    ``with Publisher(celery, timeout_seconds=1) as publisher: …``; inside, whatever the
    broker raises becomes ``BrokerUnavailable``, but for what it says of one queue: that
    queue is set aside, and the others go on.
    """

    def __init__(
        self,
        celery: Celery,
        *,
        timeout_seconds: float,
        deadline: float = math.inf,
        runs_per_message: int = 1,
    ) -> None:
        """Prepare.

        Args:
            timeout_seconds: Longest wait for connecting and for each answer.
            deadline: When to stop, in ``time.monotonic()``'s time, whatever is under way.
            runs_per_message: Of jobs that don't record their start.
        """
        self._runs_per_message = runs_per_message
        self._celery = celery
        self._deadline = deadline
        self._connection: Connection = quick_connection(
            celery, timeout_seconds=timeout_seconds, deadline=deadline
        )
        self._producer: Producer | None = None
        self._broken = False
        self._returned = False
        self._confirmed_channel: ConfirmedChannel | None = None
        self._templates: dict[tuple[str, str], Template | None] = {}
        #: Queues that can't be had, with the broker's reason. They are tried again by the next one.
        self.refused: dict[str, str] = {}
        #: How many runs of the last ``send`` were sent or set aside.
        self.handled = 0
        self._meanwhile: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._broken or time.monotonic() >= self._deadline:
            # Without a word of goodbye: the broker wouldn't answer that in time either.
            self._connection.collect(socket_timeout=0.1)
        self._connection.release()

    def send(
        self,
        runs: Sequence[UnsentRun],
        *,
        alone: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> int:
        """Send *runs* in order, and return how many of them, from the first, are handled.

        The broker has confirmed each of these, or its queue is in ``refused``. They are
        fewer than *runs* when the deadline came.

        Args:
            alone: A message for each, whatever ``runs_per_message`` says.
            meanwhile: Called once: while the broker is at the messages, or after that. What it
                raises goes through; ``handled`` says what became of the runs.

        Raises:
            BrokerUnavailable: If the broker can't be reached or doesn't confirm; ``handled``
                says how many were handled before.
        """
        self.handled, self._meanwhile = 0, meanwhile
        with self._errors():
            while self.handled < len(runs) and time.monotonic() < self._deadline:
                some = runs[self.handled : self.handled + BATCH]
                self._send_some(some, together=self._runs_per_message > 1 and not alone)
        self._do_meanwhile()
        return self.handled

    def send_tick(self) -> None:
        """Ask for another turn of a launcher.

        Raises:
            BrokerUnavailable: As ``send``.
        """
        with self._errors():
            self._celery.tasks["taskadmin.tick"].apply_async(
                queue=LAUNCH_QUEUE, producer=self._open(), ignore_result=True, retry=False
            )

    def ready(self, queue: str) -> int:
        """How many messages wait in a queue, without those that workers hold; 0 if it isn't there.

        Raises:
            BrokerUnavailable: As ``send``.
        """
        with self._errors():
            try:
                declared = self._open().channel.queue_declare(queue, passive=True)
            except self._queue_errors as error:
                self._reopen(queue)
                if getattr(error, "code", None) != _NOT_FOUND:
                    self._refuse(queue, error)
                return 0
            count: int = declared.message_count
            return count

    def _send_some(self, runs: Sequence[UnsentRun], *, together: bool) -> None:
        """Send runs, all at once where that can be done, and the rest of them one by one."""
        confirmed = bytearray(len(runs))
        try:
            if together:
                self._send_together(runs, confirmed)
            self._send_at_once(runs, confirmed)
        except self._queue_errors as error:
            # A channel was closed because of a queue: one by one it shows which.
            if getattr(error, "code", None) == _ACCESS_REFUSED:
                self._leave_default_exchange(error)
            self._confirmed_channel = None
            self._producer = self._producer_of(self._connection.channel())
        finally:
            begun = self.handled
            self.handled += len(confirmed) if all(confirmed) else confirmed.index(0)
        for run, done in list(zip(runs, confirmed, strict=True))[self.handled - begun :]:
            if time.monotonic() >= self._deadline:
                break
            if not done and run.queue not in self.refused:
                self._send(run)
            self.handled += 1

    def _send_together(self, runs: Sequence[UnsentRun], confirmed: bytearray) -> None:
        """Send runs that may share a message, and note which of them a queue has."""
        # By their limits, too, which a message has for each of its runs' functions (``limits``).
        by_kind: dict[tuple[str, float, float | None], list[int]] = {}
        by_job: dict[tuple[str, str], list[int]] = {}
        for place, run in enumerate(runs):
            by_job.setdefault((run.job, run.queue), []).append(place)
        for (name, queue), places in by_job.items():
            job = all_jobs().get(name)
            if job is not None and not job.record_start and queue not in self.refused:
                kind = queue, job.time_limit, job.soft_time_limit
                by_kind.setdefault(kind, []).extend(places)
        most = self._runs_per_message
        for kind, places in by_kind.items():
            for first in range(0, len(places), most):
                chosen = places[first : first + most]
                if self._try_together([runs[place] for place in chosen], *kind):
                    for place in chosen:
                        confirmed[place] = 1

    def _try_together(
        self,
        runs: Sequence[UnsentRun],
        queue: str,
        time_limit: float,
        soft_time_limit: float | None,
    ) -> bool:
        by_due: dict[datetime, list[int]] = {}
        for run in runs:
            by_due.setdefault(run.due_at, []).append(run.id)
        producer = self._open()
        self._declare(queue)
        self._returned = False
        self._celery.tasks[TOGETHER_TASK].apply_async(
            args=[(due_at.isoformat(), ids) for due_at, ids in by_due.items()],
            queue=queue,
            producer=producer,
            declare=(),
            mandatory=True,
            ignore_result=True,
            retry=False,
            time_limit=time_limit,
            soft_time_limit=soft_time_limit,
            argsrepr=f"{len(runs)} runs",
        )
        return not self._returned

    def _send_at_once(self, runs: Sequence[UnsentRun], confirmed: bytearray) -> None:
        """Send the runs for which that can be done, and note which of them a queue has."""
        if len(runs) < _FEW:
            return
        chosen: list[tuple[int, Template]] = []
        for place, run in enumerate(runs):
            if confirmed[place] or run.queue in self.refused:
                continue
            template = self._template(run.job, run.queue)
            if template is not None:
                chosen.append((place, template))
        if not chosen:
            return
        if self._confirmed_channel is None:
            self._confirmed_channel = ConfirmedChannel(self._connection.channel())
        had = bytearray(len(chosen))
        messages = (template.fill(runs[place].id, runs[place].due_at) for place, template in chosen)
        try:
            self._confirmed_channel.send(messages, had, self._do_meanwhile)
        finally:
            for (place, _), one in zip(chosen, had, strict=True):
                confirmed[place] = one

    def _leave_default_exchange(self, error: BaseException) -> None:
        """Send by the queues' own exchanges: the broker's user may lack the right for the other."""
        uri = self._connection.as_uri()
        if uri in _default_exchange_closed:
            return
        _default_exchange_closed.add(uri)
        self._templates.clear()
        log.warning("Messages go by the queues' own exchanges, which takes longer: %s", error)

    def _do_meanwhile(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()

    def _template(self, job: str, queue: str) -> Template | None:
        """What messages of these runs are made of; None if each has to be made by Celery."""
        key = job, queue
        if key not in self._templates:
            self._templates[key] = self._record(job, queue)
        return self._templates[key]

    def _record(self, job: str, queue: str) -> Template | None:
        self._open()
        if not is_rabbitmq(self._connection):
            return None
        if wants_each_message(self._celery, _celery_task(job)):
            return None
        self._declare(queue)

        def send(channel: Any) -> None:
            producer = self._celery.amqp.Producer(channel, auto_declare=False)
            self._apply(job, queue, RUN, producer, task_id=TASK_ID)

        name = self._celery.amqp.queues[queue].name
        closed = self._connection.as_uri() in _default_exchange_closed
        return Template.record(self._open().channel, send, queue=None if closed else name)

    def _send(self, run: UnsentRun) -> None:
        try:
            if self._try(run):
                return
            self._reopen(run.queue)
        except self._queue_errors:
            self._reopen(run.queue)
        # Once more with the queue declared: somebody may have deleted it.
        try:
            if not self._try(run):
                self._refuse(run.queue, "it is declared, and messages don't get there")
        except self._queue_errors as error:
            self._reopen(run.queue)
            self._refuse(run.queue, error)

    def _try(self, run: UnsentRun) -> bool:
        """Send a run; False if no queue takes it."""
        producer = self._open()
        self._declare(run.queue)
        self._returned = False
        self._apply(run.job, run.queue, (run.id, run.due_at.isoformat()), producer)
        return not self._returned

    def _apply(
        self, job_name: str, queue: str, arguments: tuple[Any, ...], producer: Producer, **more: Any
    ) -> None:
        job = all_jobs().get(job_name)
        self._celery.tasks[_celery_task(job_name)].apply_async(
            args=arguments,
            queue=queue,
            producer=producer,
            declare=(),  # Celery would, for each connection
            mandatory=True,
            ignore_result=True,
            retry=False,
            time_limit=job and job.time_limit,
            soft_time_limit=job and job.soft_time_limit,
            headers={GATHERED: True} if job and not job.record_start else None,
            **more,
        )

    def _declare(self, name: str) -> None:
        """Make a queue and its exchange, unless this process did before."""
        key = (self._connection.as_uri(), name)
        if key in _declared:
            return
        # As the workers know it: the host may have defined it otherwise.
        self._celery.amqp.queues[name].bind(self._open().channel).declare()
        _declared.add(key)

    def _open(self) -> Producer:
        if self._producer is None:
            self._producer = self._producer_of(self._connection.default_channel)
            if self._deadline == math.inf:
                self._declare_all()
        return self._producer

    def _declare_all(self) -> None:
        key = (self._connection.as_uri(), "")
        if key in _declared:
            return
        for queue in (*consumed_queues(), dead_queue()):
            try:
                if queue.name == dead_queue().name:
                    queue.bind(self._open().channel).declare()
                else:
                    self._declare(queue.name)
            except self._queue_errors as error:
                self._reopen(queue.name)
                self._refuse(queue.name, error)
        if not self.refused:
            _declared.add(key)

    def _reopen(self, queue: str) -> None:
        """Go on after the broker closed the channel because of a queue."""
        uri = self._connection.as_uri()
        _declared.difference_update({(uri, queue), (uri, "")})
        self._producer = self._producer_of(self._connection.channel())

    def _producer_of(self, channel: Any) -> Producer:
        # Only RabbitMQ's channels tell of messages that no queue takes; the others raise.
        if hasattr(channel, "events"):
            channel.events["basic_return"].add(self._note_return)
        return self._celery.amqp.Producer(channel, auto_declare=False)

    def _note_return(self, *_: object) -> None:
        self._returned = True

    def _refuse(self, queue: str, why: BaseException | str) -> None:
        reason = str(getattr(why, "reply_text", None) or why)
        if self.refused.setdefault(queue, reason) is reason:
            log.error(
                "Queue %s can't be used (%s): its runs stay queued until it can be", queue, reason
            )

    @property
    def _queue_errors(self) -> tuple[type[BaseException], ...]:
        return (*self._connection.channel_errors, MessageNacked)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except broker_errors(self._connection) as error:
            self._broken = True
            # In an alarm the broker's error has no text.
            raise BrokerUnavailable(
                f"The broker at {self._connection.as_uri()} can't be reached"
                f" ({type(error).__name__}{f': {error}' if str(error) else ''})."
                " What is queued is sent when it is back."
            ) from error


def _celery_task(job_name: str) -> str:
    """The Celery task of a job's runs."""
    job = all_jobs().get(job_name)
    # One that only the workers know, or nobody any more, is for the worker to tell.
    return job.celery_task if job else RUN_TASK


def set_aside(session: Session, publisher: Publisher, runs: Sequence[UnsentRun]) -> int:
    """Let runs wait whose queue was refused, and return how many: the reconciler sends them."""
    waiting = [run.id for run in runs if run.queue in publisher.refused]
    recovery.postpone(session, waiting)
    return len(waiting)


class Sent(NamedTuple):
    """What came of a batch."""

    #: Runs that the broker has; those whose queue is refused wait.
    runs: int
    #: Whether more of the launch, or the rest of the batch, may be left.
    more: bool


def send_batch(
    session: Session,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    *,
    ownership: timedelta = launches.OWNERSHIP,
    meanwhile: Callable[[], None] = lambda: None,
) -> Sent:
    """Send the first queued runs behind the launch's cursor, ``BATCH`` at most.

    Args:
        meanwhile: Called once, as ``Publisher.send`` does it.

    Raises:
        BrokerUnavailable: If the broker didn't take them.
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    runs = launches.unsent_runs(session, launch_id, limit=BATCH)

    def note() -> int:
        handled = runs[: publisher.handled]
        if not handled:
            return 0
        # First, so that the cursor passes no run that nobody will send.
        aside = set_aside(session, publisher, handled)
        launches.mark_sent(session, launch_id, owner, handled[-1].id, ownership)
        return len(handled) - aside

    try:
        publisher.send(runs, meanwhile=meanwhile)
    except LaunchLost:
        raise
    except Exception:
        # What is sent is noted also when the page behind it can't be written.
        session.rollback()
        note()
        raise
    return Sent(note(), publisher.handled < len(runs) or len(runs) == BATCH)


def send_queued(
    session: Session,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[int, bool]:
    """Send all queued runs behind the launch's cursor.

    Args:
        go_on: Asked before each batch.

    Returns:
        How many were sent, and whether that was all; those whose queue is refused wait.

    Raises:
        BrokerUnavailable: If the broker didn't take them.
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    number = 0
    while go_on():
        sent = send_batch(session, publisher, launch_id, owner)
        number += sent.runs
        if not sent.more:
            return number, True
        if publisher.handled < BATCH:
            break
    return number, False
