"""``taskadmin.ping``: a message to a worker and its answer back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from celery import Celery
from celery.backends.base import DisabledBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import TimeoutError as NoAnswer
from kombu.exceptions import OperationalError

from ..errors import BrokerUnavailable, TaskAdminError
from ..state import Echo
from .celery_tasks import ping
from .connection import broker_errors, quick_connection
from .names import RUNS_QUEUE


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Which worker answered, and after how long."""

    worker: str
    elapsed: timedelta


def measure_round_trip(celery: Celery, *, timeout_seconds: float = 5.0) -> RoundTrip:
    """Send a ping through the broker to a worker and wait for the reply.

    Never call this inside a Celery task: it waits for another one.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
        TaskAdminError: If no worker answers in time, or results are switched off.
    """
    if isinstance(celery.backend, DisabledBackend):
        raise TaskAdminError(
            "Celery's result backend is switched off, so a worker can't answer:"
            ' set result_backend to "rpc://".'
        )
    # Asked first, because Celery tries for long where its queue of replies can't be made.
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    try:
        connection.default_channel  # noqa: B018 - connects
        begun = time.monotonic()
        # No expiry: RabbitMQ would put the message aside among the dead ones.
        answer = celery.tasks[ping.name].apply_async(
            queue=RUNS_QUEUE, ignore_result=False, retry=False
        )
        try:
            worker = answer.get(timeout=timeout_seconds)
        finally:
            answer.forget()
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
    """The same for a page, which says itself that nobody answered.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    begun = time.monotonic()
    if isinstance(celery.backend, DisabledBackend):
        return Echo(None, timedelta(0), is_possible=False)
    try:
        found = measure_round_trip(celery, timeout_seconds=timeout_seconds)
    except BrokerUnavailable:
        raise
    except (OSError, OperationalError) as error:  # it went away meanwhile
        raise BrokerUnavailable(f"The broker can't be reached: {error}") from error
    except TaskAdminError:
        return Echo(None, timedelta(seconds=time.monotonic() - begun))
    return Echo(found.worker, found.elapsed)


def _close_reply_queue(celery: Celery) -> None:
    """Let RabbitMQ drop the queue of replies: a web process would keep one for each thread."""
    if not isinstance(celery.backend, RPCBackend):
        return
    replies = celery.backend.result_consumer
    if replies._consumer is not None:  # noqa: SLF001 - nothing public says whether it was opened
        replies.stop()
        replies.on_after_fork()  # forgets the closed connection; the next ping opens another


def _depth(celery: Celery) -> tuple[int, int]:
    """Messages and consumers of the queue for runs."""
    with celery.connection_for_read() as connection:
        channel = connection.default_channel
        found = celery.amqp.queues[RUNS_QUEUE].bind(channel).queue_declare(passive=True)
        return found.message_count, found.consumer_count
