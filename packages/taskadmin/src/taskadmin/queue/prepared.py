"""Messages of runs as Celery makes them, made once for each job and then filled in.

Celery and kombu make each message anew: the same twenty headers, encoded one by one, cost more
than all the rest of sending. Here Celery makes one, with a run that doesn't exist, and every
run's message is a copy with its own numbers in their places.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from os import urandom
from typing import Any, NamedTuple, Self

from celery import Celery, signals

#: As long as any other, and in no message by accident.
_TASK_ID = "5b6c1d2e-0000-4000-8000-7a61c0ffee00"
_RUN_ID = 8_888_888_888_888_888_888
_DUE_AT = datetime(1888, 8, 8, 8, 8, 8, 888_888, tzinfo=UTC)


class Prepared(NamedTuple):
    """A message as it goes over the wire, but for its channel."""

    exchange: str
    routing_key: str
    #: Encoded, as AMQP's content header has them.
    properties: bytes
    body: bytes
    task_id: str


class Template:
    """A message, but for its run."""

    def __init__(self, exchange: str, routing_key: str, properties: bytes, body: bytes) -> None:
        self._exchange = exchange
        self._routing_key = routing_key
        self._given = properties, body
        self._due_at: datetime | None = None
        # Around the numbers of a run, with the due time that was asked for last: the runs of a
        # launch have the same. To join parts takes a third of replacing what is between them.
        self._properties: list[bytes] = []
        self._body: list[bytes] = []

    @classmethod
    def record(
        cls, channel: Any, send: Callable[[Any], None], *, queue: str | None = None
    ) -> Self | None:
        """Take down what *send* sends; None if a run's numbers can't be put into it.

        Args:
            channel: Of py-amqp.
            send: Sends over the channel that it gets: ``RUN``, under the id ``TASK_ID``.
            queue: Where copies go, past the exchange that *send* chooses.
        """
        recorder = _Recorder(channel)
        send(recorder)
        message = recorder.message
        if message is None:
            return None
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        properties = message._serialize_properties()  # noqa: SLF001 - as py-amqp's channel does
        # Another serializer, or a compressed body.
        if _RUN_BYTES not in body or _DUE_BYTES not in body:
            return None
        if queue is None:
            return cls(recorder.exchange, recorder.routing_key, properties, body)
        # By the default exchange, which every queue is bound to by its name (AMQP 0-9-1, 3.1.3.1):
        # a topic exchange costs RabbitMQ a third of a message's time.
        return cls("", queue, properties, body)

    def fill(self, run_id: int, due_at: datetime) -> Prepared:
        """The message of a run, under a new task id."""
        if due_at != self._due_at:
            due = _bytes_of(_due_text(due_at))
            properties, body = (given.replace(_DUE_BYTES, due) for given in self._given)
            self._properties, self._body = properties.split(_TASK_BYTES), body.split(_RUN_BYTES)
            self._due_at = due_at
        task_id, number = _new_task_id(), _bytes_of(run_id)
        # A text there has its length before it, so this must be as long.
        padded = number.rjust(len(_RUN_BYTES))
        return Prepared(
            self._exchange,
            self._routing_key,
            task_id.encode().join(self._properties).replace(_RUN_BYTES, padded),
            number.join(self._body),
            task_id,
        )


class _Recorder:
    """A channel that takes down what is published instead of sending it."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.message: Any = None
        self.exchange = self.routing_key = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def basic_publish(
        self, message: Any, exchange: str = "", routing_key: str = "", **_: Any
    ) -> None:
        self.message, self.exchange, self.routing_key = message, exchange, routing_key


def wants_each_message(celery: Celery, task: str) -> bool:
    """Whether somebody looks at each message of a Celery task, or gets an event of it."""
    looking = any(
        signal.has_listeners(task)
        for signal in (signals.before_task_publish, signals.after_task_publish)
    )
    return looking or bool(celery.conf.task_send_sent_event)


def _new_task_id() -> str:
    """A random UUID (RFC 9562, version 4), made in a fifth of the time that ``uuid4`` takes."""
    digits = urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _due_text(moment: datetime) -> str:
    """Always 32 characters."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _bytes_of(value: object) -> bytes:
    return str(value).encode()


#: What a template is recorded with.
TASK_ID = _TASK_ID
RUN = (_RUN_ID, _due_text(_DUE_AT))
_TASK_BYTES, _RUN_BYTES = _bytes_of(_TASK_ID), _bytes_of(_RUN_ID)
_DUE_BYTES = _bytes_of(_due_text(_DUE_AT))
