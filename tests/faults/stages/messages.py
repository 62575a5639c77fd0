"""Send and count messages in a stage's virtual host."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kombu import Connection

from .brokers import Broker


class Messages:
    """The stage's virtual host, without a proxy."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.vhost = ""

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        """Return a channel of the suite."""
        with Connection(self.broker.url(self.vhost), connect_timeout=5) as connection:
            yield connection.default_channel

    def ready_messages(self, queue: str) -> int:
        """Return the number of waiting messages in a queue; 0 if it doesn't exist."""
        try:
            with self.channel() as channel:
                return int(channel.queue_declare(queue, passive=True).message_count)
        except Exception:  # noqa: BLE001 - channel errors of several libraries: no such queue
            return 0

    def all_messages(self, queue: str) -> int:
        """Return the number of messages in a queue, including those that workers hold."""
        return self.broker.all_messages(self.vhost, queue)

    def send(self, task: str, args: Sequence[Any], queue: str, times: int = 1) -> None:
        """Publish a Celery message like the package."""
        self.send_raw(
            json.dumps([list(args), {}, {}]).encode(),
            queue,
            times=times,
            headers=lambda: celery_headers(task),
        )

    def send_raw(
        self,
        body: bytes,
        queue: str,
        *,
        times: int = 1,
        headers: Callable[[], dict[str, Any]] = dict,
        content_type: str = "application/json",
        content_encoding: str = "utf-8",
    ) -> None:
        """Publish a message with any body."""
        with self.channel() as channel:
            for _ in range(times):
                message = channel.prepare_message(
                    body,
                    content_type=content_type,
                    content_encoding=content_encoding,
                    headers=headers(),
                    properties={"delivery_mode": 2, "correlation_id": os.urandom(8).hex()},
                )
                channel.basic_publish(message, exchange="", routing_key=queue)

    def close_messages(self) -> None:
        """Delete the virtual host."""
        if self.vhost:
            with contextlib.suppress(RuntimeError, OSError):
                self.broker.drop(self.vhost)


def celery_headers(task: str) -> dict[str, Any]:
    """Headers of a Celery message, protocol 2."""
    identity = os.urandom(16).hex()
    return {
        "lang": "py",
        "task": task,
        "id": identity,
        "root_id": identity,
        "parent_id": None,
        "group": None,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "origin": "faults",
        "ignore_result": True,
    }
