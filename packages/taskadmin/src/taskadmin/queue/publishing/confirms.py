"""Publisher confirms, awaited in bulk: https://www.rabbitmq.com/docs/confirms"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from kombu import Connection

#: Maximum unconfirmed messages.
MAX_UNCONFIRMED = 1_000


class Confirms:
    """The broker's confirms for one channel, in any order."""

    def __init__(self, connection: Connection, *, seconds: Callable[[], float]) -> None:
        """Open a py-amqp channel whose confirms aren't awaited one by one.

        Args:
            seconds: Returns the timeout of the next confirm.
        """
        self._connection = connection
        self._seconds = seconds
        self.channel: Any = connection.channel()
        self._next_tag = 1
        self._waiting: dict[int, str] = {}
        self._returned: set[str] = set()
        self._confirmed: set[str] = set()
        self.channel.events["basic_ack"].add(self._on_ack)
        self.channel.events["basic_nack"].add(self._on_nack)
        self.channel.events["basic_return"].add(self._on_return)
        self.channel.confirm_select()

    def note(self, task_id: str) -> None:
        """Register a published message."""
        self._waiting[self._next_tag] = task_id
        self._next_tag += 1
        self._wait(MAX_UNCONFIRMED)

    def wait(self) -> None:
        """Wait until every message is confirmed or rejected; see ``confirmed``."""
        self._wait(0)

    def confirmed(self) -> set[str]:
        """Return the ids of newly confirmed messages; after an error too, and each once."""
        confirmed, self._confirmed = self._confirmed, set()
        return confirmed

    def _wait(self, most: int) -> None:
        while len(self._waiting) > most:
            self._connection.drain_events(timeout=self._seconds())

    def _on_ack(self, tag: int, multiple: bool) -> None:
        # An unroutable message is returned first, and then confirmed.
        self._confirmed.update(self._judged(tag, multiple) - self._returned)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._judged(tag, multiple)

    def _judged(self, tag: int, multiple: bool) -> set[str]:
        tags = list(takewhile(tag.__ge__, self._waiting)) if multiple else [tag]
        return {self._waiting.pop(one) for one in tags if one in self._waiting}

    def _on_return(self, _error: Any, _exchange: str, _key: str, message: Any) -> None:
        self._returned.add(message.properties.get("correlation_id", ""))


class NoConfirms:
    """The interface of ``Confirms`` for transports without confirms."""

    def __init__(self, connection: Connection) -> None:
        self.channel: Any = connection.channel()
        self._confirmed: set[str] = set()

    def note(self, task_id: str) -> None:
        """Register a published message."""
        self._confirmed.add(task_id)

    def wait(self) -> None:
        """Do nothing."""

    def confirmed(self) -> set[str]:
        """Return the ids of newly published messages, each once."""
        confirmed, self._confirmed = self._confirmed, set()
        return confirmed
