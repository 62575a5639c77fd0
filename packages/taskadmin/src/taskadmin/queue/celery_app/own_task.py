"""Keep the host's Celery settings off taskadmin's Celery tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from celery import Celery, Task
from kombu.serialization import prepare_accept_content

from .queues import LAUNCH_QUEUE, MAX_TIME_LIMIT_SECONDS, queue_named

#: Attributes of a Celery task that affect its messages and their handling by a worker. Celery fills
#: those that are None from the host's ``task_*`` settings, and applies ``task_annotations`` to all.
_DECIDED = {name for name, _ in Task.from_config} | {
    # Options of ``apply_async``.
    *("compression", "delivery_mode", "exchange", "expires", "immediate", "mandatory"),
    *("priority", "queue", "routing_key", "serializer", "soft_time_limit", "time_limit"),
    # Attributes for the worker.
    *("Request", "Strategy", "autoretry_for", "max_retries", "retry_on_worker_lost"),
    *("acks_on_failure", "acks_on_timeout", "send_events", "trail"),
}
#: Retry policy of beat: not the host's, which may be never or forever.
_RETRY_POLICY = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 1,
    "retry_errors": None,
}


def is_accepted(celery: Celery, serializer: str) -> bool:
    """Whether workers accept this serializer; without ``accept_content`` they accept all."""
    accepted = prepare_accept_content(celery.conf.accept_content)
    return accepted is None or prepare_accept_content({serializer}) <= accepted


class OwnTask(Task):  # type: ignore[misc]  # Celery has no types
    """A Celery task whose messages and execution are independent of the host's settings."""

    abstract = True
    acks_late = reject_on_worker_lost = False
    acks_on_failure = acks_on_failure_or_timeout = acks_on_timeout = True
    retry_on_worker_lost = False
    ignore_result = True
    autoretry_for = ()
    max_retries = 0
    send_events = trail = True
    track_started = store_eager_result = store_errors_even_if_ignored = False
    serializer = "json"
    #: Persistent.
    delivery_mode = 2
    #: In seconds. Without its own limits, the pool would apply the host's.
    time_limit: float | None = MAX_TIME_LIMIT_SECONDS
    soft_time_limit: float | None = MAX_TIME_LIMIT_SECONDS

    #: The class's attributes as defined.
    _made: ClassVar[dict[str, Any]] = {}
    _decided: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        cls._made = dict(vars(cls))
        cls._decided = {name: getattr(cls, name, None) for name in _DECIDED}

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Undo what Celery has just set from the configuration of *app*."""
        for name, value in cls._decided.items():
            setattr(cls, name, value)
        if not is_accepted(app, cls.serializer):
            cls.serializer = app.conf.task_serializer

    @classmethod
    def host_functions(cls) -> list[str]:
        """Return the methods that ``task_annotations`` replaced or wrapped."""
        ours = {*_DECIDED, "request_stack", *(name for name, _ in cls.from_config)}
        return sorted(
            name
            for name, value in vars(cls).items()
            if callable(value)
            and cls._made.get(name) is not value
            and (name == "__call__" or not name.startswith("_"))
            and name not in ours
        )

    def apply_async(
        self, args: Any = None, kwargs: Any = None, producer: Any = None, **options: Any
    ) -> Any:
        """Publish a message to its queue only."""
        app = self.app
        options.setdefault("queue", LAUNCH_QUEUE)
        options.setdefault("retry", True)
        options.setdefault("retry_policy", _RETRY_POLICY)
        options.setdefault("argsrepr", repr(tuple(args or ())))
        with app.producer_or_acquire(producer) as given:
            return super().apply_async(
                args,
                kwargs,
                producer=_Uncompressed(given),
                router=_ByQueue(app, is_redis=given.connection.transport.driver_type == "redis"),
                **options,
            )


class _ByQueue:
    """Routes a message to its queue, ignoring ``task_routes``."""

    def __init__(self, celery: Celery, *, is_redis: bool) -> None:
        self._celery = celery
        # Redis stores bindings among its data. If it loses them, it silently drops messages to
        # exchanges until every worker has connected again.
        self._without_exchange = {"exchange_type": "direct"} if is_redis else {}

    def route(self, options: dict[str, object], *_: object) -> dict[str, Any]:
        queue = options["queue"]
        if isinstance(queue, str):
            queue = queue_named(self._celery, queue)
        return {**options, **self._without_exchange, "queue": queue}


class _Uncompressed:
    """Wraps a kombu producer, the only way to ignore ``task_compression``."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def publish(self, *arguments: Any, **options: Any) -> Any:
        return self._producer.publish(*arguments, **{**options, "compression": False})
