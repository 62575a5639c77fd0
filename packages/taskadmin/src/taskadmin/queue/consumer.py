"""How a worker takes messages: whatever shape they have, it lives."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.consumer import Consumer

from ..state import get_state
from .context import flask_app_of, is_bound
from .gathering import Gathering
from .names import LAUNCH_QUEUE, RUNS_QUEUE

log = logging.getLogger("taskadmin.worker")

#: Without the queues of jobs of their own, which a host may use for other Celery tasks, too.
_OUR_QUEUES = (LAUNCH_QUEUE, RUNS_QUEUE)

#: Longest limit that a message of ours may bring, in seconds; RabbitMQ then takes it back.
_MOST_SECONDS = 1800.0
#: What of a message is shown in the log, in characters.
_SHOWN = 200

#: What Celery sends in the headers that it looks into (protocol 2), if it sends them.
_TYPES: dict[str, Any] = {
    "task": str,
    "id": str,
    "root_id": str,
    "parent_id": str,
    "group": str,
    "shadow": str,
    "retries": int,
    "replaced_task_nesting": int,
    "stamped_headers": list | tuple,
    "stamps": Mapping,
}


class CarefulConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's consumer, for messages of any shape.

    Celery looks a message's task up and reads its headers in the loop that talks with
    the broker: a name that is a list, or a time in the year 9999, ends the whole worker.
    Such a message is rejected here, with a line in the log.
    """

    #: Messages of runs that are executed together.
    _at_once: int = 1
    #: Messages that are under way at the least, where runs are executed together.
    _at_least: int = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        settings = get_state(flask_app_of(self.app)).settings if is_bound(self.app) else None
        self._at_once = settings.runs_at_once if settings else 1
        shares = settings is not None and (self._at_once > 1 or settings.runs_per_message > 1)
        processes = getattr(self.pool, "num_processes", None) or 1
        if shares:
            # For each process what it executes, and as much again to go on with at once.
            self._at_least = 2 * processes * self._at_once
            given: int = vars(self).get("initial_prefetch_count") or 0
            self.initial_prefetch_count = max(given, self._at_least)

    @property
    def max_prefetch_count(self) -> int:
        """What Celery goes back to when it has lost its connection and has another one."""
        most: int = super().max_prefetch_count
        return max(most, self._at_least)

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """What is called with each message."""
        take = super().create_task_handler(*arguments, **options)
        gathering = None
        if self._at_once > 1 and self.hub is not None:
            gathering = Gathering(self._at_once, take, self.hub.call_later)

        def take_any(message: Any) -> None:
            try:
                _tidy(message.headers)
                _check(message)
                if gathering is None or not gathering.offer(message):
                    take(message)
            except self.connection_errors:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a stranger's message causes
                log.error(
                    "A message that can't be read is rejected (%s: %s). Its headers: %.*r",
                    type(error).__name__,
                    error,
                    _SHOWN,
                    message.headers,
                )
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)

        return take_any


def _tidy(headers: Any) -> None:
    """Take out of a run's message what only a stranger can have put there.

    When a run starts is for the ledger to say: a time to wait for, or to expire at, would
    have a worker keep the message, or drop it.
    """
    if not isinstance(headers, MutableMapping):
        return
    name = headers.get("task")
    if not (isinstance(name, str) and name.startswith("taskadmin.")):
        return
    headers["eta"] = headers["expires"] = None
    limits = headers.get("timelimit")
    if not (isinstance(limits, list | tuple) and len(limits) == 2 and all(map(_is_limit, limits))):
        headers["timelimit"] = [None, None]


def _check(message: Any) -> None:
    """Refuse what Celery would take, and be ended or blocked by later, where nobody catches it.

    Raises:
        InvalidTaskError: If a header of any Celery task is of a type that Celery doesn't send,
            or a task that isn't ours would wait in a queue of ours.
    """
    headers = message.headers
    if not isinstance(headers, Mapping):
        return
    for name, kind in _TYPES.items():
        value = headers.get(name)
        if value is not None and not isinstance(value, kind):
            raise InvalidTaskError(f"its header {name} is a {type(value).__name__}")
    if not all(isinstance(stamp, str) for stamp in headers.get("stamped_headers") or ()):
        raise InvalidTaskError("its header stamped_headers holds what is no name")
    limits = headers.get("timelimit")
    if limits is not None:
        if not (isinstance(limits, list | tuple) and len(limits) == 2):
            raise InvalidTaskError("its header timelimit is no pair")
        if not all(limit is None or _is_number(limit) for limit in limits):
            raise InvalidTaskError("its header timelimit holds what is no number")
    # A worker holds it until its time comes. On quorum queues it can't ask for more messages
    # meanwhile: as many as it has processes, and it hears nothing any more.
    where = (message.delivery_info or {}).get("routing_key")
    if headers.get("eta") is not None and where in _OUR_QUEUES:
        raise InvalidTaskError(f"nothing waits for its time in the queue {where}")


def _is_limit(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 < value <= _MOST_SECONDS)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -math.inf < value < math.inf
