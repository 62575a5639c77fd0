"""Sending runs: after their rows are committed, confirmed by the broker one by one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from amqp.exceptions import MessageNacked  # type: ignore[import-untyped]
from celery import Celery
from kombu import Connection, Producer
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..store import launches, recovery
from ..store.results import UnsentRun
from .connection import broker_errors, quick_connection
from .names import LAUNCH_QUEUE, consumed_queues, dead_queue

log = logging.getLogger("taskadmin.queue")

#: Runs sent between two moves of the launch's cursor: what is sent again after a crash, at most.
BATCH = 500
#: The Celery task of runs whose job isn't known here.
RUN_TASK = "taskadmin.run"
#: What RabbitMQ says of a queue that isn't there.
_NOT_FOUND = 404

#: Queues that this process declared, by the broker's address; "" stands for all of taskadmin's.
_declared: set[tuple[str, str]] = set()


class Publisher:
    """Sends over one broker connection, which is opened when it is first needed.

    ``with Publisher(celery, timeout_seconds=1) as publisher: …``; inside, whatever the
    broker raises becomes ``BrokerUnavailable``, but for what it says of one queue: that
    queue is set aside, and the others go on.
    """

    def __init__(
        self, celery: Celery, *, timeout_seconds: float, deadline: float = math.inf
    ) -> None:
        """Prepare.

        Args:
            timeout_seconds: Longest wait for connecting and for each answer.
            deadline: When to stop, in ``time.monotonic()``'s time, whatever is under way.
        """
        self._celery = celery
        self._deadline = deadline
        self._connection: Connection = quick_connection(
            celery, timeout_seconds=timeout_seconds, deadline=deadline
        )
        self._producer: Producer | None = None
        self._broken = False
        self._returned = False
        #: Queues that can't be had, with the broker's reason. They are tried again by the next one.
        self.refused: dict[str, str] = {}
        #: How many runs of the last ``send`` were sent or set aside.
        self.handled = 0

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

    def send(self, runs: Sequence[UnsentRun]) -> int:
        """Send *runs* in order, and return how many of them, from the first, are handled.

        The broker has confirmed each of these, or its queue is in ``refused``. They are
        fewer than *runs* when the deadline came.

        Raises:
            BrokerUnavailable: If the broker can't be reached or doesn't confirm; ``handled``
                says how many were handled before.
        """
        self.handled = 0
        with self._errors():
            for run in runs:
                if time.monotonic() >= self._deadline:
                    break
                if run.queue not in self.refused:
                    self._send(run)
                self.handled += 1
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
        # A job that only the workers know, or nobody any more, is for the worker to tell.
        job = all_jobs().get(run.job)
        self._returned = False
        self._celery.tasks[job.celery_task if job else RUN_TASK].apply_async(
            args=(run.id, run.due_at.isoformat()),
            queue=run.queue,
            producer=producer,
            declare=(),  # Celery would, for each connection
            mandatory=True,
            ignore_result=True,
            retry=False,
            time_limit=job and job.time_limit,
            soft_time_limit=job and job.soft_time_limit,
        )
        return not self._returned

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


def set_aside(session: Session, publisher: Publisher, runs: Sequence[UnsentRun]) -> int:
    """Let runs wait whose queue was refused, and return how many: the reconciler sends them."""
    waiting = [run.id for run in runs if run.queue in publisher.refused]
    recovery.postpone(session, waiting)
    return len(waiting)


def send_queued(
    session: Session,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    *,
    ownership: timedelta = launches.OWNERSHIP,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[int, bool]:
    """Send the queued runs behind the launch's cursor.

    Args:
        go_on: Asked before each batch.

    Returns:
        How many were sent, and whether that was all; those whose queue is refused wait.

    Raises:
        BrokerUnavailable: If the broker didn't take them.
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    sent = 0

    def note(handled: Sequence[UnsentRun]) -> None:
        nonlocal sent
        if handled:
            # First, so that the cursor passes no run that nobody will send.
            aside = set_aside(session, publisher, handled)
            launches.mark_sent(session, launch_id, owner, handled[-1].id, ownership)
            sent += len(handled) - aside

    while runs := launches.unsent_runs(session, launch_id, limit=BATCH):
        if not go_on():
            return sent, False
        try:
            publisher.send(runs)
        except BrokerUnavailable:
            note(runs[: publisher.handled])
            raise
        note(runs[: publisher.handled])
        if publisher.handled < len(runs):
            return sent, False
    return sent, True
