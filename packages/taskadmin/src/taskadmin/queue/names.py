"""The queues. Their arguments can never change in place, so they are final."""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue

from ..jobs import all_jobs

LAUNCH_QUEUE = "taskadmin.launch"
RUNS_QUEUE = "taskadmin.runs"
DEAD_QUEUE = "taskadmin.dead"

#: The Celery task of several runs in one message.
TOGETHER_TASK = "taskadmin.runs"
#: A header of messages of runs whose start isn't recorded: a worker may execute several together.
GATHERED = "taskadmin_together"

#: What beat sends.
BEAT_TASKS = ("taskadmin.launch_tasks", "taskadmin.tick")

#: Quorum queues survive the loss of a broker node and count deliveries. Attempts are counted in
#: the ledger; the broker's limit is the net under it.
_QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 20}


def consumed_queues() -> list[Queue]:
    """The queues that workers read: launcher's messages, and runs, in the jobs' own queues too."""
    names = {RUNS_QUEUE, *(job.queue for job in all_jobs().values())}
    return [
        # Not dead-lettered: a tick that expires unread is made up for by the next one, and
        # RabbitMQ would put each of them aside.
        _queue(LAUNCH_QUEUE, {}),
        *(
            _queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD_QUEUE})
            for name in sorted(names - {LAUNCH_QUEUE})
        ),
    ]


def _queue(name: str, arguments: dict[str, Any]) -> Queue:
    return Queue(
        name,
        # Celery's delayed delivery over quorum queues binds topic exchanges only.
        Exchange(name, type="topic"),
        routing_key=name,
        queue_arguments=_QUORUM | arguments,
    )


def dead_queue() -> Queue:
    """Where messages go that were delivered too often; nobody reads it but people."""
    return Queue(DEAD_QUEUE, routing_key=DEAD_QUEUE, queue_arguments={"x-queue-type": "quorum"})


def declare_queues(channel: Any) -> None:
    """Make every queue, with its exchange, where it isn't there yet.

    The dead one too, though nobody reads it: a message that is put aside needs a place to go.
    """
    for queue in (*consumed_queues(), dead_queue()):
        queue.bind(channel).declare()
