"""Checks of the broker, its queues, and Celery's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ...errors import BrokerUnavailable
from ...jobs import all_jobs
from ...queue.celery_app.host_settings import find_weaknesses
from ...queue.celery_app.queues import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from ...queue.inspection import BrokerAnswer, queue_states, try_broker
from ...state import QueueState, get_state
from ...store.database.transaction import reading
from ...store.reports import health
from ..finding import Answer, Status, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask

#: Timeout of one request to the broker, in seconds.
_BROKER_TIMEOUT_SECONDS = 3.0
_NO_QUEUE = "Not checked: this application has no task queue."
_SENT_AGAIN = "taskadmin's runs are then sent again; your own Celery tasks are lost."


def broker(app: Flask) -> Answer:
    """Check that the broker is reachable and confirms messages."""
    celery = get_state(app).celery
    if celery is None:
        return warning(
            "This application has no task queue: the runs it launches stay queued.",
            "Call TaskQueue().init_app(app), or TaskAdmin().init_app(app, db=db).",
        )
    try:
        found = try_broker(celery, timeout_seconds=_BROKER_TIMEOUT_SECONDS)
    except BrokerUnavailable as error:
        address = celery.connection_for_write().as_uri()
        return problem(
            f"The broker at {address} can't be reached ({error}).",
            "Start the broker, or correct Celery's broker_url.",
        )
    if found.alarm is not None:
        return problem(
            f"The broker at {found.address} blocks publishers: it has an alarm, {found.alarm}.",
            f"Free its machine's {found.alarm}, or lower the broker's limit:"
            " rabbitmq-diagnostics alarms, rabbitmq-diagnostics status",
        )
    milliseconds = found.elapsed.total_seconds() * 1000
    if found.is_redis:
        return _redis(found, milliseconds)
    if found.refusal is not None:
        return problem(
            f"The broker at {found.address} doesn't confirm messages ({found.refusal}).",
            "Check for a memory or disk alarm: rabbitmq-diagnostics alarms",
        )
    if not found.has_confirms:
        return warning(
            f"{found.address} is neither RabbitMQ nor Redis, the brokers that taskadmin is tested"
            " with.",
            "Set Celery's broker_url to a RabbitMQ: amqp://user:password@host//",
        )
    return ok(f"{found.address} confirmed a message after {milliseconds:.0f} ms.")


def _redis(found: BrokerAnswer, milliseconds: float) -> Answer:
    address, settings = found.address, found.redis
    if found.refusal is not None:
        return problem(
            f"Redis at {address} refuses messages ({found.refusal}).",
            "Raise its maxmemory, or connect to its primary: redis-cli INFO",
        )
    if settings is None:
        return ok(
            f"{address} responded after {milliseconds:.0f} ms. Its settings are unknown: its user"
            " may not run INFO."
        )
    if settings.eviction is not None and settings.eviction.startswith("allkeys-"):
        return warning(
            f"Redis at {address} deletes queues when its memory is full (maxmemory-policy"
            f" {settings.eviction}). {_SENT_AGAIN}",
            "redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    if not settings.has_log:
        return warning(
            f"Redis at {address} loses messages in a crash (appendonly is off). {_SENT_AGAIN}",
            "redis-cli CONFIG SET appendonly yes",
        )
    return ok(f"{address} responded after {milliseconds:.0f} ms.")


def queues(app: Flask) -> Answer:
    """Check that each queue exists and has consumers, and report its size."""
    celery = get_state(app).celery
    if celery is None:
        return warning(_NO_QUEUE)
    read = sorted({LAUNCH_QUEUE, RUNS_QUEUE} | {job.queue for job in all_jobs().values()})
    states = queue_states(celery, [*read, DEAD_QUEUE], timeout_seconds=_BROKER_TIMEOUT_SECONDS)
    if states is None:
        return _by_workers(app, read)
    *live, dead = states
    found = "; ".join(_describe(state) for state in live)
    unread = [state.name for state in live if not state.consumers]
    if unread:
        return problem(found + ".", _start(unread))
    if dead.ready:
        return warning(
            f"{found}; {dead.name}: {_messages(dead.ready)} that no worker could process.",
            f"Inspect them in RabbitMQ's management UI, and the reason in the workers' logs;"
            f" then: rabbitmqctl -p <virtual host> purge_queue {dead.name}",
        )
    return ok(found + ".")


def _by_workers(app: Flask, read: Sequence[str]) -> Answer:
    """Check that each queue has a worker, by the database: other brokers don't know consumers."""
    state = get_state(app)
    lease = timedelta(seconds=state.settings.lease_seconds)
    with reading(state.session, seconds=_BROKER_TIMEOUT_SECONDS):
        live = [one for one in health.live_processes(state.session) if one.silent <= lease]
    readers = {name: sum(name in one.queues.split(",") for one in live) for name in read}
    found = "; ".join(
        f"{name}: {number or 'no'} worker{'s' if number > 1 else ''}"
        for name, number in readers.items()
    )
    unread = [name for name, number in readers.items() if not number]
    return problem(f"{found}.", _start(unread)) if unread else ok(f"{found}.")


def _start(unread: Sequence[str]) -> str:
    return "\n".join(f"celery -A <your module> worker -Q {name}" for name in unread)


def _describe(state: QueueState) -> str:
    if state.ready is None:
        return f"{state.name} doesn't exist"
    readers = (
        f"{state.consumers} consumer{'' if state.consumers == 1 else 's'}"
        if state.consumers
        else "no consumer"
    )
    return f"{state.name}: {readers}, {_messages(state.ready)} waiting"


def _messages(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


def settings(app: Flask) -> Answer:
    """Check for Celery settings that weaken taskadmin's guarantees."""
    celery = get_state(app).celery
    if celery is None:
        return warning(_NO_QUEUE)
    weaknesses = find_weaknesses(celery)
    if not weaknesses:
        return ok("Celery's configuration weakens no guarantee.")
    severe = any(weakness.severe for weakness in weaknesses)
    return Answer(
        Status.PROBLEM if severe else Status.WARNING,
        " ".join(weakness.found for weakness in weaknesses),
        "\n".join(weakness.fix for weakness in weaknesses),
    )
