"""Does the broker take messages, and does somebody read them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..queue.inspection import queue_states, try_broker
from ..queue.names import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from ..queue.weaknesses import find_weaknesses
from ..state import QueueState, get_state
from .finding import Answer, Status, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask

#: Longest wait for one answer of the broker, in seconds.
_SECONDS = 3.0
_NO_QUEUE = "Not checked: this application has no task queue."


def broker(app: Flask) -> Answer:
    """Whether it can be reached, and confirms what it takes."""
    celery = get_state(app).celery
    if celery is None:
        return warning(
            "This application has no task queue: the runs it launches stay queued.",
            "Call TaskQueue().init_app(app), or TaskAdmin().init_app(app, db=db).",
        )
    try:
        found = try_broker(celery, timeout_seconds=_SECONDS)
    except BrokerUnavailable as error:
        address = celery.connection_for_write().as_uri()
        return problem(
            f"The broker at {address} can't be reached ({error}).",
            "Start the broker, or correct broker_url in the setting CELERY.",
        )
    if found.refusal is not None:
        return problem(
            f"The broker at {found.address} takes no messages ({found.refusal}).",
            "Look for an alarm of memory or disk: rabbitmq-diagnostics alarms",
        )
    if not found.has_confirms:
        return warning(
            f"{found.address} isn't RabbitMQ: it confirms no messages, and may lose them.",
            "Let broker_url in the setting CELERY name a RabbitMQ: amqp://user:password@host//",
        )
    milliseconds = found.elapsed.total_seconds() * 1000
    return ok(f"{found.address} confirmed a message after {milliseconds:.0f} ms.")


def queues(app: Flask) -> Answer:
    """Whether each queue is there and read, and how much waits."""
    celery = get_state(app).celery
    if celery is None:
        return warning(_NO_QUEUE)
    read = sorted({LAUNCH_QUEUE, RUNS_QUEUE} | {job.queue for job in all_jobs().values()})
    states = queue_states(celery, [*read, DEAD_QUEUE], timeout_seconds=_SECONDS)
    if states is None:
        return warning("Not checked: this broker doesn't tell who reads its queues.")
    *live, dead = states
    found = "; ".join(_describe(state) for state in live)
    unread = [state.name for state in live if not state.consumers]
    if unread:
        return problem(
            found + ".", "\n".join(f"celery -A <your module> worker -Q {name}" for name in unread)
        )
    if dead.ready:
        return warning(
            f"{found}; {dead.name}: {_messages(dead.ready)} that no worker could take.",
            f"See what they are in RabbitMQ's management pages, and why in the workers' logs;"
            f" then: rabbitmqctl -p <virtual host> purge_queue {dead.name}",
        )
    return ok(found + ".")


def _describe(state: QueueState) -> str:
    if state.ready is None:
        return f"{state.name} isn't there"
    readers = (
        f"{state.consumers} consumer{'' if state.consumers == 1 else 's'}"
        if state.consumers
        else "no consumer"
    )
    return f"{state.name}: {readers}, {_messages(state.ready)} waiting"


def _messages(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


def settings(app: Flask) -> Answer:
    """Whether the host's Celery configuration takes away what taskadmin promises."""
    celery = get_state(app).celery
    if celery is None:
        return warning(_NO_QUEUE)
    weaknesses = find_weaknesses(celery)
    if not weaknesses:
        return ok("Celery's configuration takes nothing away.")
    severe = any(weakness.severe for weakness in weaknesses)
    return Answer(
        Status.PROBLEM if severe else Status.WARNING,
        " ".join(weakness.found for weakness in weaknesses),
        "\n".join(weakness.fix for weakness in weaknesses),
    )
