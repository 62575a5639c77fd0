"""Publish runs, and wait for the broker's confirms."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import Self

from celery import Celery
from kombu import Connection, Producer, Queue

from ...errors import BrokerUnavailable, SendingDisabled
from ...store.runs.results import UnsentRun
from ...values.trace_context import continued
from ..celery_app.queues import (
    LAUNCH_QUEUE,
    consumed_queues,
    dead_queue,
    declare_missing,
    declare_queue,
    queue_named,
)
from .batch import Message, messages_of
from .confirms import Confirms, NoConfirms
from .connection import broker_errors, is_rabbitmq, is_redis, quick_connection
from .messages import Messages

log = logging.getLogger("taskadmin.queue")

#: Reply code for a queue that doesn't exist; a number or text, depending on the transport.
_NOT_FOUND = "404"

#: Queues that this process has declared, by the broker's address; "" stands for all of taskadmin's.
_declared: set[tuple[str, str]] = set()


class Publisher:
    """Publishes over one broker connection, which is opened when first needed.

    Use it as a context manager: ``with Publisher(celery, timeout_seconds=1) as publisher: …``.
    Broker errors are raised as ``BrokerUnavailable``, except for errors of one queue: that queue is
    refused, and the others continue.
    """

    def __init__(
        self, celery: Celery, *, timeout_seconds: float, deadline: float = math.inf
    ) -> None:
        """Prepare the connection without opening it.

        Args:
            timeout_seconds: Timeout of connecting and of each reply.
            deadline: When to stop altogether, by ``time.monotonic()``.
        """
        self._celery = celery
        self._timeout = timeout_seconds
        self._deadline = deadline
        self._connection: Connection = quick_connection(
            celery, timeout_seconds=timeout_seconds, deadline=deadline, confirms=False
        )
        #: Errors of one queue, after which others can be used. A full Redis raises such errors, too,
        #: but refuses messages to all queues.
        self._queue_errors = () if is_redis(self._connection) else self._connection.channel_errors
        self._messages = Messages(celery)
        self._confirms: Confirms | NoConfirms | None = None
        self._producer: Producer | None = None
        self._broken = False
        self._runs: Sequence[UnsentRun] = ()
        self._traces: Mapping[int, str] = {}
        self._done = bytearray()
        self._batch: list[Message] = []
        #: Unconfirmed messages by the id of their Celery task.
        self._sent: dict[str, Message] = {}
        #: Unusable queues with the broker's reason; the next publisher tries them again.
        self.refused: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._broken or time.monotonic() >= self._deadline:
            # Without closing it: the broker wouldn't reply in time either.
            self._connection.collect(socket_timeout=0.1)
        self._connection.release()

    @property
    def handled(self) -> int:
        """Number of runs from the batch's start that are confirmed or have a refused queue."""
        for place, run in enumerate(self._runs):
            if not self._done[place] and run.queue not in self.refused:
                return place
        return len(self._runs)

    def send(self, runs: Sequence[UnsentRun]) -> int:
        """Publish a message for each run in order, and return how many are ``handled``.

        There are fewer than *runs* if the deadline has passed.

        Raises:
            BrokerUnavailable: If the broker is unreachable or doesn't confirm; ``handled`` is the
                number of runs handled before.
        """
        self.start(runs)
        return self.finish()

    def start(
        self,
        runs: Sequence[UnsentRun],
        sizes: Mapping[str, int] = MappingProxyType({}),
        traces: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """Publish a batch of runs; ``finish`` waits for the confirms.

        Args:
            sizes: Number of runs per message, by job; one for other jobs.
            traces: The traceparent of each run's launch, by the run's id.

        Raises:
            BrokerUnavailable: Like ``send``.
        """
        self._traces = traces
        self._runs, self._done = runs, bytearray(len(runs))
        self._sent.clear()
        self._batch = list(messages_of(runs, sizes))
        with self._errors():
            try:
                for message in self._batch:
                    if time.monotonic() >= self._deadline:
                        break
                    if message.kind.queue not in self.refused:
                        self._publish(message)
            except self._queue_errors:
                self._leave_channel()  # one queue caused it; ``finish`` finds out which

    def finish(self) -> int:
        """Wait for the batch's confirms, and return how many runs are ``handled``.

        Raises:
            BrokerUnavailable: Like ``send``.
        """
        with self._errors():
            try:
                self._collect()
            except self._queue_errors:
                self._leave_channel()
            left: dict[str, list[Message]] = {}
            for message in self._batch:
                if not self._done[message.places[0]]:
                    left.setdefault(message.kind.queue, []).append(message)
            for queue, messages in left.items():
                if time.monotonic() < self._deadline and queue not in self.refused:
                    self._send_again(queue, messages)
        return self.handled

    def send_tick(self) -> None:
        """Request another launcher's turn.

        Raises:
            BrokerUnavailable: Like ``send``.
        """
        with self._errors():
            confirms = self._open()
            sent = self._celery.tasks["taskadmin.tick"].apply_async(
                queue=LAUNCH_QUEUE,
                producer=self._producer,
                ignore_result=True,
                retry=False,
            )
            confirms.note(sent.id)
            confirms.wait()

    def ready(self, queue: str) -> int:
        """Return the number of messages in a queue, without prefetched ones; 0 if it doesn't exist.

        Raises:
            BrokerUnavailable: Like ``send``.
        """
        with self._errors():
            self._connect()
            self._declare_all()
            with self._connection.channel() as channel:
                try:
                    declared = channel.queue_declare(queue, passive=True)
                except self._connection.channel_errors as error:
                    if str(getattr(error, "reply_code", "")) == _NOT_FOUND:
                        return 0
                    if is_redis(self._connection):
                        raise
                    self._refuse(queue, error)
                    return 0
            count: int = declared.message_count
            return count

    def _publish(self, message: Message) -> None:
        confirms = self._open()
        queue = message.kind.queue
        try:
            self._declare(queue_named(self._celery, queue))
        except self._queue_errors as error:
            self._refuse(queue, error)
            return
        number = len(message.places)
        shown = repr(tuple(message.arguments)) if number == 1 else f"{number} runs"
        # For instrumentations, which add the current trace to the message.
        with continued(self._traces.get(self._runs[message.places[0]].id)):
            task_id = self._messages.publish(
                self._producer, message.kind, message.arguments, shown=shown
            )
        self._sent[task_id] = message
        confirms.note(task_id)

    def _collect(self) -> None:
        if self._confirms is None:
            return
        try:
            self._confirms.wait()
        finally:
            self._take(self._confirms.confirmed())

    def _take(self, confirmed: Iterable[str]) -> None:
        for task_id in confirmed:
            for place in self._sent[task_id].places if task_id in self._sent else ():
                self._done[place] = 1

    def _send_again(self, queue: str, messages: Sequence[Message]) -> None:
        """Publish a queue's unconfirmed messages again after declaring the queue again."""
        _declared.difference_update({(self._address, queue), (self._address, "")})
        reason: BaseException | str = "it exists, but accepts no messages"
        try:
            for message in messages:
                if queue not in self.refused:
                    self._publish(message)
            self._collect()
        except self._queue_errors as error:
            reason = error
            self._leave_channel()
        if not all(self._done[message.places[0]] for message in messages):
            self._refuse(queue, reason)

    def _open(self) -> Confirms | NoConfirms:
        if self._celery.conf.task_always_eager:  # Celery would execute runs in this process
            raise SendingDisabled
        if self._confirms is None:
            self._connect()
            self._declare_all()
            if is_rabbitmq(self._connection):
                self._confirms = Confirms(self._connection, seconds=self._seconds_left)
            else:
                self._confirms = NoConfirms(self._connection)
            self._producer = self._celery.amqp.Producer(self._confirms.channel, auto_declare=False)
        return self._confirms

    def _leave_channel(self) -> None:
        """Continue after the broker closed the channel because of one queue."""
        if self._confirms is not None:
            self._take(self._confirms.confirmed())
        self._confirms = None

    def _seconds_left(self) -> float:
        return max(min(self._timeout, self._deadline - time.monotonic()), 0.001)

    @property
    def _address(self) -> str:
        address: str = self._connection.as_uri()
        return address

    def _declare(self, queue: Queue) -> None:
        """Declare a queue and its exchange, once per process."""
        key = (self._address, queue.name)
        if key not in _declared:
            declare_queue(self._connection, queue)
            _declared.add(key)

    def _connect(self) -> None:
        if not self._connection.connected:
            self._connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0.1, interval_max=0.1
            )

    def _declare_all(self) -> None:
        key = (self._address, "")
        if key in _declared or self._deadline < math.inf:
            return
        named = (queue_named(self._celery, queue.name) for queue in consumed_queues())
        for queue in (*named, dead_queue()):
            try:
                declare_missing(self._connection, queue)
            except self._queue_errors as error:
                self._refuse(queue.name, error)
        if not self.refused:
            _declared.add(key)

    def _refuse(self, queue: str, why: BaseException | str) -> None:
        _declared.difference_update({(self._address, queue), (self._address, "")})
        reason = str(getattr(why, "reply_text", None) or why)
        if self.refused.setdefault(queue, reason) is reason:
            log.error(
                "Queue %s is unusable (%s): its runs stay queued until it is usable", queue, reason
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except broker_errors(self._connection) as error:
            self._broken = True
            # In an alarm, the broker's error has no text.
            raise BrokerUnavailable(
                f"The broker at {self._address} is unreachable"
                f" ({type(error).__name__}{f': {error}' if str(error) else ''})."
                " Queued runs are sent when it is reachable again."
            ) from error
