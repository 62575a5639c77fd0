"""All of Celery's settings: those that affect taskadmin's messages and runs, and the others.

If a new Celery adds a setting, ``test_every_setting_of_celery_is_known_here`` fails: add it here.
taskadmin overrides ``UNTOUCHED``, the doctor reports ``NAMED``, and ``ELSEWHERE`` affect neither
messages nor runs.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from celery import Celery
from celery.app import defaults
from kombu import Exchange, Queue

from services.celery_hosts import FOREIGN, do_nothing, make_celery, sent_by
from taskadmin.queue import DEAD_QUEUE, LAUNCH_QUEUE, RUNS_QUEUE
from taskadmin.queue.celery_app.host_settings import find_weaknesses
from taskadmin.queue.celery_app.own_task import OwnTask
from taskadmin.queue.celery_app.queues import consumed_queues, dead_queue, queue_named

#: Settings of backends, connections, logs and the host's own code, by the start of their names.
ELSEWHERE = (
    # Where results are kept: of taskadmin's Celery tasks only an answer to a ping is.
    *("arangodb_", "azureblockblob_", "cache_", "cassandra_", "cosmosdbsql_", "couchbase_"),
    *("database_", "elasticsearch_", "gcs_", "mongodb_", "redis_", "result_", "s3_"),
    # How the broker is reached, and what monitors and remote control use; signing of messages.
    *("broker_", "control_", "event_", "security_"),
    # How a worker takes messages, what it logs and loads, and how many processes it has.
    *(
        "imports",
        "include",
        "worker_consumer",
        "worker_log",
        "worker_task_log",
        "worker_redirect",
        "worker_hijack",
    ),
    *("worker_agent", "worker_autoscaler", "worker_concurrency", "worker_direct", "worker_timer"),
    *("worker_lost_wait", "worker_proc_alive_timeout", "worker_pool_putlocks"),
    *("worker_pool_restarts", "worker_max_memory_per_child", "worker_max_tasks_per_child"),
    *("worker_send_task_events", "worker_state_db"),
    *("worker_soft_shutdown_timeout", "worker_enable_soft_shutdown_on_idle"),
    # For messages with a time to wait for, for brokers other than RabbitMQ, for kept results,
    # and for redeclarations after a lost connection.
    *("worker_eta_task_limit", "worker_disable_prefetch", "worker_deduplicate_successful_tasks"),
    "worker_enable_prefetch_count_reduction",
    # Where beat keeps its file, how often it looks, and crontabs.
    *("beat_cron_", "beat_enable_remote_control", "beat_max_loop_interval", "beat_remote_control_"),
    *("beat_schedule_filename", "beat_scheduler", "beat_sync_every"),
    # With task_always_eager only, which is named; for chords; for results.
    *("task_eager_propagates", "task_allow_error_cb_on_chord_header", "task_remote_tracebacks"),
)


def other_router(name: str, *_: Any, **__: Any) -> dict[str, Any]:
    """A routing function of the host, for ``task_routes``."""
    return {"queue": "elsewhere", "priority": 7, "headers": {"by": name}}


#: Settings that a host may use for its own Celery tasks.
UNTOUCHED: list[dict[str, Any]] = [
    {"accept_content": ["json", "pickle"]},
    {"enable_utc": False},
    {"timezone": "Pacific/Apia"},
    {"timezone": "Pacific/Apia", "enable_utc": False},
    {"task_acks_late": True},
    {"task_acks_on_failure": False},
    {"task_acks_on_failure_or_timeout": False},
    {"task_acks_on_timeout": False},
    {"task_annotations": {"*": {"rate_limit": "6/m", "time_limit": 2, "soft_time_limit": 1}}},
    {"task_annotations": {"*": {"acks_late": False, "reject_on_worker_lost": False}}},
    {"task_annotations": {"taskadmin.run": {"acks_late": False, "ignore_result": False}}},
    {"task_annotations": [{"*": {"priority": 3, "expires": 1, "serializer": "pickle"}}]},
    {"task_annotations": {"*": {"queue": "elsewhere", "exchange": "e", "routing_key": "k"}}},
    {"task_annotations": {"*": {"delivery_mode": 1, "compression": "gzip", "track_started": True}}},
    {"task_annotations": {"*": {"Request": "celery.worker.request:Request"}}},
    {"task_annotations": {"*": {"autoretry_for": (Exception,), "max_retries": None}}},
    {"task_compression": "gzip"},
    {"task_create_missing_queue_exchange_type": "topic"},
    {"task_create_missing_queue_type": "quorum"},
    {"task_create_missing_queues": False},
    {"task_default_delivery_mode": 1},
    {"task_default_exchange": "elsewhere"},
    {"task_default_exchange_type": "fanout"},
    {"task_default_priority": 7},
    {"task_default_queue": "elsewhere"},
    *({"task_default_queue": name} for name in (LAUNCH_QUEUE, RUNS_QUEUE)),
    {"task_default_queue": RUNS_QUEUE, "task_default_queue_type": "quorum"},
    {"task_default_queue": RUNS_QUEUE, "task_queue_max_priority": 10},
    {"task_default_queue": RUNS_QUEUE, "task_default_exchange": "elsewhere"},
    {"task_default_queue": RUNS_QUEUE, "task_default_routing_key": "elsewhere"},
    {"task_default_queue": RUNS_QUEUE, "task_default_exchange_type": "fanout"},
    {"task_default_queue": RUNS_QUEUE, "task_queues": {"elsewhere": {"exchange": "elsewhere"}}},
    {"task_default_exchange": RUNS_QUEUE, "task_default_exchange_type": "topic"},
    {"task_default_routing_key": RUNS_QUEUE},
    {"task_default_queue_type": "quorum"},
    {"task_default_rate_limit": "6/m"},
    {"task_default_routing_key": "elsewhere"},
    {"task_ignore_result": True},
    {"task_inherit_parent_priority": True},
    {"task_publish_retry": False},
    {"task_publish_retry_policy": {"max_retries": None, "interval_start": 60}},
    {"task_queue_max_priority": 10},
    {"task_queues": [Queue("elsewhere", Exchange("elsewhere", type="fanout"))]},
    {"task_queues": {"elsewhere": {"exchange": "elsewhere", "routing_key": "elsewhere"}}},
    {"task_queues": {"elsewhere": Queue("elsewhere")}},
    {"task_queues": consumed_queues()},
    {"task_queues": {queue.name: queue for queue in consumed_queues()}},
    {"task_reject_on_worker_lost": False},
    {"task_repr_maxlevels": 0},
    {"task_retry_on_worker_lost": True},
    {"task_routes": {"*": {"queue": "elsewhere", "routing_key": "elsewhere"}}},
    {"task_routes": {"*": "elsewhere"}},
    {"task_routes": {"taskadmin.*": {"exchange": "elsewhere", "exchange_type": "fanout"}}},
    {"task_routes": {"taskadmin.tick": {"priority": 7, "delivery_mode": 1, "compression": "gzip"}}},
    {"task_routes": {"*": {"expiration": 1, "headers": {"a": 1}, "serializer": "pickle"}}},
    {"task_routes": (other_router,)},
    {"task_send_sent_event": True},
    {"task_serializer": "pickle", "accept_content": ["json", "pickle"]},
    # Only affects whether workers accept the host's own messages.
    {"task_serializer": "pickle"},
    {"task_serializer": "yaml"},
    {"task_serializer": "unknown"},
    {"task_serializer": "pickle", "accept_content": None},
    {"task_soft_time_limit": 2},
    {"task_store_eager_result": True},
    {"task_store_errors_even_if_ignored": True},
    {"task_time_limit": 2},
    {"task_soft_time_limit": 90, "task_time_limit": 60},
    {"task_track_started": True},
    {"worker_detect_quorum_queues": False},
    {"worker_disable_rate_limits": True},
]

#: Definitions of a taskadmin queue that don't fit.
OTHER: list[Any] = [
    [Queue(RUNS_QUEUE)],
    {RUNS_QUEUE: {}},
    {RUNS_QUEUE: {"exchange": RUNS_QUEUE, "exchange_type": "topic", "routing_key": RUNS_QUEUE}},
    [Queue(RUNS_QUEUE, Exchange(RUNS_QUEUE), RUNS_QUEUE)],
    [Queue(RUNS_QUEUE, queue_arguments={"x-queue-type": "quorum"})],
]

#: Settings that can't be overridden, and the start of the doctor's message.
NAMED: list[tuple[dict[str, Any], str]] = [
    ({"beat_schedule": {}}, "beat_schedule lacks taskadmin."),
    ({"task_always_eager": True}, "task_always_eager is on: runs aren't sent"),
    (
        {"task_annotations": {"*": {"@run": lambda run: do_nothing}}},
        "task_annotations replace methods",
    ),
    ({"task_annotations": {"*": {"on_failure": do_nothing}}}, "task_annotations replace methods"),
    ({"task_annotations": {"*": {"__call__": do_nothing}}}, "task_annotations replace methods"),
    ({"task_protocol": 1}, "task_protocol is 1: runs are sent and executed one by one"),
    ({"task_default_queue": DEAD_QUEUE}, f"Workers without -Q consume {DEAD_QUEUE}"),
    ({"task_queues": [dead_queue()]}, f"Workers without -Q consume {DEAD_QUEUE}"),
    *(
        ({"task_queues": queues}, f"task_queues defines {RUNS_QUEUE} differently")
        for queues in OTHER
    ),
    (
        {"task_default_queue": RUNS_QUEUE, "task_queues": {"elsewhere": {}}},
        f"A queue of yours is bound to {RUNS_QUEUE}",
    ),
    ({"task_default_exchange": RUNS_QUEUE}, f"A queue of yours is bound to {RUNS_QUEUE}"),
    (
        {"task_queues": [Queue("own", Exchange(LAUNCH_QUEUE, type="topic"), LAUNCH_QUEUE)]},
        f"A queue of yours is bound to {LAUNCH_QUEUE}",
    ),
    ({"accept_content": ["pickle"]}, "Messages are sent as json, which workers refuse"),
    (
        {"accept_content": ["pickle"], "task_serializer": "yaml"},
        "Messages are sent as yaml, which workers refuse",
    ),
    (
        {"worker_cancel_long_running_tasks_on_connection_loss": True},
        "worker_cancel_long_running_tasks_on_connection_loss is on",
    ),
    ({"worker_enable_remote_control": False}, "worker_enable_remote_control is off"),
    ({"worker_pool": "solo"}, "worker_pool is solo"),
    ({"worker_pool": "threads"}, "worker_pool is threads"),
    ({"worker_pool": "gevent"}, "worker_pool is gevent"),
    ({"worker_pool_start_method": "spawn"}, "worker_pool_start_method isn't fork"),
    ({"worker_prefetch_multiplier": 0}, "worker_prefetch_multiplier is 0"),
    (
        {"broker_url": "amqp://127.0.0.1:1//", "broker_transport_options": {}},
        "confirm_publish is off",
    ),
    ({"broker_url": "redis://127.0.0.1:1/0"}, "socket_timeout isn't set"),
    (
        {
            "broker_url": "rediss://127.0.0.1:1/0",
            "broker_transport_options": {"socket_timeout": 5, "visibility_timeout": 30},
        },
        "visibility_timeout is 30 s, less than generate_random_number may take:",
    ),
]


def _named(value: object) -> str:
    """Return a test's name without addresses of functions, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def treated(celery: Celery) -> dict[str, Any]:
    """Return how a worker treats each of taskadmin's Celery tasks, by their attributes."""
    tasks = {name: task for name, task in celery.tasks.items() if isinstance(task, OwnTask)}
    return {
        name: {attribute: getattr(task, attribute, None) for attribute in OwnTask._decided}
        for name, task in tasks.items()
    }


def queues_of(celery: Celery) -> dict[str, Any]:
    """Return the declarations of taskadmin's queues."""
    queues = [queue_named(celery, name) for name in (LAUNCH_QUEUE, RUNS_QUEUE)]
    return {
        queue.name: (queue.exchange.name, queue.exchange.type, queue.routing_key, arguments)
        for queue in queues
        if (arguments := queue.queue_arguments) is not None
    }


def test_every_setting_of_celery_is_known_here() -> None:
    """Including those of Celery releases newer than this test."""
    known = {name for conf in (*UNTOUCHED, *(conf for conf, _ in NAMED)) for name in conf}

    unknown = {
        name for name in defaults.DEFAULTS if name not in known and not name.startswith(ELSEWHERE)
    }

    assert unknown == set()


@pytest.mark.parametrize("conf", UNTOUCHED, ids=_named)
def test_a_setting_reaches_no_message_and_no_run(
    conf: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages, their queues and their execution are the same with and without the setting."""
    plain, celery = make_celery(), make_celery(**conf)

    assert treated(celery) == treated(plain)
    assert queues_of(celery) == queues_of(plain)
    sent = sent_by(plain, monkeypatch)
    assert sent_by(celery, monkeypatch) == sent
    assert [(exchange, key) for exchange, key, _ in sent] == [
        *[(RUNS_QUEUE, RUNS_QUEUE), (FOREIGN, FOREIGN)],
        *[(FOREIGN, FOREIGN), (RUNS_QUEUE, RUNS_QUEUE)],
        *[(LAUNCH_QUEUE, LAUNCH_QUEUE)] * 3,
        (RUNS_QUEUE, RUNS_QUEUE),
    ]
    assert find_weaknesses(celery) == []


@pytest.mark.parametrize(("conf", "beginning"), NAMED, ids=_named)
def test_the_doctor_names_settings_that_affect_taskadmin(
    conf: dict[str, Any], beginning: str
) -> None:
    """In one sentence that says what to set."""
    celery = make_celery(late=conf) if "beat_schedule" in conf else make_celery(**conf)

    [weakness] = find_weaknesses(celery)

    assert weakness.found.startswith(beginning)
    assert weakness.fix
