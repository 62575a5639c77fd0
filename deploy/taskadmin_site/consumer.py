"""The consumer of the site's workers."""

from __future__ import annotations

from celery.worker.consumer import Consumer

from taskadmin.queue.consumer import CarefulConsumer

#: Celery's step that declares 28 queues and exchanges for tasks with a countdown.
_DELAYED = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class SiteConsumer(CarefulConsumer):
    """taskadmin's consumer, without Celery's delayed delivery.

    The database decides when a run starts, so no message waits in the broker. For delayed delivery,
    Celery binds every queue it knows, and a worker would need rights on the launcher's queue.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        default_steps = [step for step in Consumer.Blueprint.default_steps if step != _DELAYED]
