"""Sending runs: after their rows are committed, confirmed by the broker one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from celery import Celery
from kombu import Connection, Producer
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..store import launches
from ..store.results import UnsentRun
from .connection import broker_errors, quick_connection
from .names import LAUNCH_QUEUE, declare_queues

log = logging.getLogger("taskadmin.queue")

#: Runs sent between two moves of the launch's cursor: what is sent again after a crash, at most.
BATCH = 500
#: The Celery task of runs whose job isn't known here.
RUN_TASK = "taskadmin.run"


class Publisher:
    """Sends over one broker connection, which is opened when it is first needed.

    ``with Publisher(celery, timeout_seconds=1) as publisher: …``; inside, whatever the
    broker raises becomes ``BrokerUnavailable``.
    """

    def __init__(self, celery: Celery, *, timeout_seconds: float) -> None:
        """Prepare; *timeout_seconds* is the longest wait for connecting and for each answer."""
        self._celery = celery
        self._connection: Connection = quick_connection(celery, timeout_seconds=timeout_seconds)
        self._producer: Producer | None = None
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._broken:
            # Without a word of goodbye: the broker wouldn't answer that in time either.
            self._connection.collect(socket_timeout=0.1)
        self._connection.release()

    def send(self, runs: Sequence[UnsentRun]) -> None:
        """Send *runs* in order; when it returns, the broker has confirmed each.

        Raises:
            BrokerUnavailable: If the broker can't be reached or doesn't confirm.
        """
        jobs = all_jobs()
        with self._errors():
            producer = self._open()
            for run in runs:
                # A job that only the workers know, or nobody any more, is for the worker to tell.
                job = jobs.get(run.job)
                self._celery.tasks[job.celery_task if job else RUN_TASK].apply_async(
                    args=(run.id, run.due_at.isoformat()),
                    queue=run.queue,
                    producer=producer,
                    ignore_result=True,
                    retry=False,
                    time_limit=job and job.time_limit,
                    soft_time_limit=job and job.soft_time_limit,
                )

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
        """How many messages wait in a queue, without those that workers hold.

        Raises:
            BrokerUnavailable: As ``send``.
        """
        with self._errors():
            channel = self._open().channel
            count: int = channel.queue_declare(queue, passive=True).message_count
            return count

    def _open(self) -> Producer:
        if self._producer is None:
            channel = self._connection.default_channel
            declare_queues(channel)
            self._producer = self._celery.amqp.Producer(channel, auto_declare=False)
        return self._producer

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
        How many were sent, and whether that was all.

    Raises:
        BrokerUnavailable: If the broker didn't take them.
        LaunchLost: If *owner* doesn't own the launch any more.
    """
    sent = 0
    while runs := launches.unsent_runs(session, launch_id, limit=BATCH):
        if not go_on():
            return sent, False
        publisher.send(runs)
        launches.mark_sent(session, launch_id, owner, runs[-1].id, ownership)
        sent += len(runs)
    return sent, True
