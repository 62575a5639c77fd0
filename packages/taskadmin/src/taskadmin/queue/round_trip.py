"""``taskadmin.ping``: send a message to a worker and wait for its reply."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import timedelta

from celery import Celery
from celery.backends.base import DisabledBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import TimeoutError as NoAnswer
from kombu.exceptions import OperationalError

from ..errors import BrokerUnavailable, SendingDisabled, TaskAdminError
from ..state import Echo
from .celery_app.queues import RUNS_QUEUE, queue_named
from .celery_tasks import ping
from .publishing.connection import broker_errors, quick_connection


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """The worker that replied, and the elapsed time."""

    worker: str
    elapsed: timedelta


def measure_round_trip(celery: Celery, *, timeout_seconds: float = 5.0) -> RoundTrip:
    """Ping a worker through the broker and wait for the reply.

    Never call this inside a Celery task: it waits for another one.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
        TaskAdminError: If no worker replies in time, or results are disabled.
    """
    if celery.conf.task_always_eager:  # this process would reply
        raise SendingDisabled
    if isinstance(celery.backend, DisabledBackend):
        raise TaskAdminError(
            "Celery's result backend is switched off, so a worker can't answer:"
            ' set result_backend to "rpc://".'
        )
    # Connect first, because Celery retries for long if it can't create its reply queue.
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    try:
        connection.default_channel  # noqa: B018 - connects
        begun = time.monotonic()
        # No expiry: RabbitMQ would dead-letter the message.
        result = celery.tasks[ping.name].apply_async(
            queue=RUNS_QUEUE, ignore_result=False, retry=False
        )
        try:
            worker = result.get(timeout=timeout_seconds)
        finally:
            with contextlib.suppress(NotImplementedError):  # raised by rpc:// before Celery 5.6
                result.forget()
            _close_reply_queue(celery)
    except NoAnswer as error:
        waiting, consumers = _depth(celery)
        if consumers:
            raise TaskAdminError(
                f"No worker answered on {RUNS_QUEUE} within {timeout_seconds:g} s:"
                f" {waiting} messages wait there for {consumers} workers."
            ) from error
        raise TaskAdminError(
            f"No worker listens on {RUNS_QUEUE}: start one with celery worker -Q {RUNS_QUEUE}."
        ) from error
    except broker_errors(connection) as error:
        raise BrokerUnavailable(f"The broker can't be reached: {error}") from error
    finally:
        connection.release()
    return RoundTrip(worker, timedelta(seconds=time.monotonic() - begun))


def echo(celery: Celery, *, timeout_seconds: float) -> Echo:
    """Ping a worker for a page, which shows a missing reply itself.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    begun = time.monotonic()
    if isinstance(celery.backend, DisabledBackend) and not celery.conf.task_always_eager:
        return Echo(None, timedelta(0), is_possible=False)
    try:
        round_trip = measure_round_trip(celery, timeout_seconds=timeout_seconds)
    except BrokerUnavailable:
        raise
    except (OSError, OperationalError) as error:  # the connection was lost meanwhile
        raise BrokerUnavailable(f"The broker can't be reached: {error}") from error
    except TaskAdminError:
        return Echo(None, timedelta(seconds=time.monotonic() - begun))
    return Echo(round_trip.worker, round_trip.elapsed)


def _close_reply_queue(celery: Celery) -> None:
    """Let RabbitMQ delete the reply queue: a web process would keep one per thread."""
    if not isinstance(celery.backend, RPCBackend):
        return
    replies = celery.backend.result_consumer
    # There is nothing to stop if the connection was lost before the queue was created.
    with contextlib.suppress(AttributeError):
        replies.stop()
        replies.on_after_fork()  # drops the closed connection; the next ping opens another one


def _depth(celery: Celery) -> tuple[int, int]:
    """Return the number of messages and consumers of the queue for runs."""
    with celery.connection_for_read() as connection:
        channel = connection.default_channel
        declared = queue_named(celery, RUNS_QUEUE).bind(channel).queue_declare(passive=True)
        return declared.message_count, declared.consumer_count
