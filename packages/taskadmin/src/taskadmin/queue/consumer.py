"""A consumer that survives messages of any shape."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.consumer import Consumer

from .celery_app.queues import LAUNCH_QUEUE, MAX_TIME_LIMIT_SECONDS, RUNS_QUEUE

log = logging.getLogger("taskadmin.worker")

#: Without the jobs' own queues, which a host may use for other Celery tasks, too.
_OUR_QUEUES = (LAUNCH_QUEUE, RUNS_QUEUE)

#: Maximum characters of headers in the log.
_MAX_LOGGED = 200

#: Types of the headers that Celery reads (protocol 2), if they are present.
_HEADER_TYPES: dict[str, Any] = {
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

    Celery looks up a message's task and reads its headers in the loop that talks to the broker: a
    name that is a list, or a time in the year 9999, would end the whole worker. This class logs and
    rejects such messages.

    It handles all Celery tasks of a worker. Applications that taskadmin creates use it; a host's
    own one uses it if its ``worker_consumer`` names it.
    """

    def connection_for_write(self, *arguments: object, **options: object) -> Any:
        """Connect for the worker's events; in green pools, without publisher confirms.

        Since Celery 5.7, the event loop also reads this connection, and may take a confirm from the
        green thread that waits for it. That thread holds the lock of the events, and a stopping
        worker would wait for the lock forever.
        """
        if not self.pool.is_green:
            return super().connection_for_write(*arguments, **options)
        options["transport_options"] = {"confirm_publish": False}
        return self.ensure_connected(self.app.connection_for_write(*arguments, **options))

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Wrap Celery's message handler."""
        handle = super().create_task_handler(*arguments, **options)

        def handle_any(message: Any) -> None:
            try:
                _tidy(message.headers)
                _check(message)
                handle(message)
            except self.connection_errors:
                raise
            except Exception as error:  # noqa: BLE001 - a stranger's message may cause anything
                log.error(
                    "Rejected an invalid message (%s: %s). Its headers: %.*r",
                    type(error).__name__,
                    error,
                    _MAX_LOGGED,
                    message.headers,
                )
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)

        return handle_any


def _tidy(headers: object) -> None:
    """Remove headers from a run's message that only a stranger can have set.

    The database decides when a run starts: with a time to wait for or to expire at, a worker would
    hold or drop the message.
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
    """Refuse messages that Celery would accept, but fail or block on later, uncaught.

    Raises:
        InvalidTaskError: If a header has a type that Celery never sends, or a Celery task that
            isn't ours would wait in one of our queues.
    """
    headers = message.headers
    if not isinstance(headers, Mapping):
        return
    for name, kind in _HEADER_TYPES.items():
        value = headers.get(name)
        if value is not None and not isinstance(value, kind):
            raise InvalidTaskError(f"its header {name} is a {type(value).__name__}")
    if not all(isinstance(stamp, str) for stamp in headers.get("stamped_headers") or ()):
        raise InvalidTaskError("its header stamped_headers contains a value that isn't a name")
    limits = headers.get("timelimit")
    if limits is not None:
        if not (isinstance(limits, list | tuple) and len(limits) == 2):
            raise InvalidTaskError("its header timelimit isn't a pair")
        if not all(limit is None or _is_number(limit) for limit in limits):
            raise InvalidTaskError("its header timelimit contains a value that isn't a number")
    # A worker holds a message with an ETA. On quorum queues it can't raise its prefetch count
    # meanwhile: with as many such messages as processes, it would receive no others.
    where = (message.delivery_info or {}).get("routing_key")
    if headers.get("eta") is not None and where in _OUR_QUEUES:
        raise InvalidTaskError(f"messages with an ETA aren't allowed in the queue {where}")


def _is_limit(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 < value <= MAX_TIME_LIMIT_SECONDS)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -math.inf < value < math.inf
