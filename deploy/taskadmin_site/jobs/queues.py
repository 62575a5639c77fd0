"""A job that measures the length of a queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from taskadmin import job
from taskadmin.state import get_state

#: Timeout in seconds for connecting, and for each answer.
PATIENCE = 5.0


class NoSuchQueue(Exception):
    """The broker has no queue with this name."""


@job(max_attempts=2, backoff_seconds=5, time_limit=60)
def queue_depth(
    queue: Annotated[
        str,
        Field(min_length=1, max_length=100, description="Such as taskadmin.runs."),
    ],
) -> int:
    """Count the messages that are ready in a queue, without those that workers hold."""
    celery = get_state().celery
    assert celery is not None, "workers have one"
    with celery.connection_for_read(connect_timeout=PATIENCE) as connection:
        connection.ensure_connection(max_retries=1, timeout=PATIENCE)
        channel = connection.default_channel
        try:
            # Passive: doesn't create the queue.
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors as error:
            raise NoSuchQueue(f"The broker has no queue named {queue}.") from error
