"""Messages of single runs that a worker executes together, as if they had been one message."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kombu.message import Message
from kombu.utils.uuid import uuid

from .names import GATHERED, TOGETHER_TASK

#: So long (in seconds) the first of them waits for others.
_SECONDS = 0.005


class Gathering:
    """Takes messages that may be executed together, and hands on one in their place.

    What they mean is executed by one Celery task, ``taskadmin.runs``; when that is done each of
    them is acknowledged. Delivered again, a message is taken alone.
    """

    def __init__(
        self, most: int, take: Callable[[Any], None], call_later: Callable[..., Any]
    ) -> None:
        """Prepare.

        Args:
            most: Messages that are handed on at once.
            take: What is called with each message that is handed on.
            call_later: Calls a function after so many seconds.
        """
        self._most = most
        self._take = take
        self._call_later = call_later
        self._messages: list[Any] = []
        self._runs: dict[str, list[int]] = {}
        self._kind: Any = None

    def offer(self, message: Any) -> bool:
        """Take a message; False if it has to be executed alone."""
        headers, where = message.headers, message.delivery_info or {}
        if not isinstance(headers, Mapping) or not headers.get(GATHERED):
            return False
        if where.get("redelivered") or message.content_type != "application/json":
            return False
        try:
            (run_id, due_at), *_ = json.loads(message.body)
        except (TypeError, ValueError):
            return False
        if not (isinstance(run_id, int) and isinstance(due_at, str)):
            return False
        kind = where.get("routing_key"), headers.get("timelimit")
        if kind != self._kind:
            self.hand_on()
            self._kind = kind
        self._messages.append(message)
        self._runs.setdefault(due_at, []).append(run_id)
        if len(self._messages) >= self._most:
            self.hand_on()
        elif len(self._messages) == 1:
            self._call_later(_SECONDS, self.hand_on)
        return True

    def hand_on(self) -> None:
        """Hand on what was gathered, if there is anything."""
        if not self._messages:
            return
        messages, self._messages = self._messages, []
        runs, self._runs = self._runs, {}
        self._take(_Together(messages, list(runs.items())))


class _Together(Message):  # type: ignore[misc]  # kombu has no types
    """Several messages as one: it is acknowledged, rejected or put back when they are."""

    def __init__(self, messages: Sequence[Any], arguments: list[Any]) -> None:
        first, task_id = messages[0], uuid()
        embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
        super().__init__(
            body=json.dumps([arguments, {}, embed]),
            delivery_tag=first.delivery_tag,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_info=first.delivery_info,
            headers={
                **first.headers,
                "task": TOGETHER_TASK,
                "id": task_id,
                "root_id": task_id,
                "argsrepr": f"{len(messages)} runs",
            },
            properties={**first.properties, "correlation_id": task_id},
            channel=first.channel,
            accept=first.accept,
        )
        self._messages = messages

    def ack(self, multiple: bool = False) -> None:
        """Acknowledge them all."""
        for message in self._messages:
            message.ack(multiple)
        self._state = "ACK"

    def reject(self, requeue: bool = False) -> None:
        """Reject them all."""
        for message in self._messages:
            message.reject(requeue)
        self._state = "REJECTED"

    def requeue(self) -> None:
        """Put them all back."""
        for message in self._messages:
            message.requeue()
        self._state = "REQUEUED"
