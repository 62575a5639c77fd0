"""Sending runs: after their rows are committed, confirmed by the broker one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from celery import Celery
from kombu import Producer
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import GENERATE_RANDOM_NUMBER_JOB, all_jobs
from ..store import launches
from ..store.results import UnsentRun
from .connection import broker_errors, quick_connection
from .names import declare_queues

log = logging.getLogger("taskadmin.queue")

#: Runs sent between two moves of the launch's cursor: what is sent again after a crash, at most.
BATCH = 500


class Publisher:
    """Sends runs over one broker connection. Made by ``open_publisher``."""

    def __init__(self, celery: Celery, producer: Producer) -> None:
        self._celery = celery
        self._producer = producer

    def send(self, runs: Sequence[UnsentRun]) -> None:
        """Send *runs* in order; when it returns, the broker has confirmed each."""
        jobs = all_jobs()
        for run in runs:
            # A job that only the workers know, or nobody any more, is for the worker to tell.
            job = jobs.get(run.job, GENERATE_RANDOM_NUMBER_JOB)
            self._celery.tasks[job.celery_task].apply_async(
                args=(run.id, run.due_at.isoformat()),
                queue=run.queue,
                producer=self._producer,
                ignore_result=True,
                retry=False,
            )


@contextmanager
def open_publisher(celery: Celery, *, timeout_seconds: float) -> Iterator[Publisher]:
    """Connect to the broker for sending.

    Args:
        timeout_seconds: Longest wait for connecting and for each answer.

    Raises:
        BrokerUnavailable: If the broker can't be reached or doesn't confirm.
    """
    connection = quick_connection(celery, timeout_seconds=timeout_seconds)
    try:
        channel = connection.default_channel
        declare_queues(channel)
        yield Publisher(celery, celery.amqp.Producer(channel, auto_declare=False))
    except broker_errors(connection) as error:
        # In an alarm the broker's error has no text.
        raise BrokerUnavailable(
            f"The broker at {connection.as_uri()} can't be reached"
            f" ({type(error).__name__}{f': {error}' if str(error) else ''})."
            " What is queued is sent when it is back."
        ) from error
    finally:
        connection.release()


def send_queued(session: Session, publisher: Publisher, launch_id: int, owner: UUID) -> int:
    """Send every queued run behind the launch's cursor, and return how many.

    Raises:
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    sent = 0
    while runs := launches.unsent_runs(session, launch_id, limit=BATCH):
        publisher.send(runs)
        launches.mark_sent(session, launch_id, owner, runs[-1].id)
        sent += len(runs)
    return sent
