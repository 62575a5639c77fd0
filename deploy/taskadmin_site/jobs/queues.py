"""How much waits in a queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from taskadmin import job
from taskadmin.state import get_state

#: Seconds for connecting, and for each answer.
PATIENCE = 5.0


class NoSuchQueue(Exception):
    """The broker has no queue of this name."""


@job(max_attempts=2, backoff_seconds=5, time_limit=60)
def queue_depth(
    queue: Annotated[
        str, Field(min_length=1, max_length=100, description="Such as taskadmin.runs.")
    ],
) -> int:
    """Messages that wait in a queue of the broker; those that workers hold don't count."""
    celery = get_state().celery
    assert celery is not None, "a worker has one"
    with celery.connection_for_read(connect_timeout=PATIENCE) as connection:
        connection.ensure_connection(max_retries=1, timeout=PATIENCE)
        channel = connection.default_channel
        try:
            # Passive: looks, and makes none.
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors as error:
            raise NoSuchQueue(f"The broker has no queue called {queue}.") from error
