"""The host's Celery tasks, and protection of taskadmin's from its settings."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import before_task_publish
from kombu import Exchange, Queue

from services.celery_hosts import do_nothing, make_celery, sent_by
from taskadmin.queue.worker.request import LedgerRequest


@pytest.mark.parametrize("given", [[60, 30], [None, None]])
@pytest.mark.parametrize(("of_the_pool", "limit"), [(True, 7200), (False, None)])
def test_celery_keeps_no_limit_of_a_run(
    monkeypatch: pytest.MonkeyPatch, given: list[Any], of_the_pool: bool, limit: float | None
) -> None:
    """Neither limits in older launchers' messages nor the pool's default apply."""
    monkeypatch.setattr(LedgerRequest, "pool_has_limits", of_the_pool)
    celery = make_celery(task_soft_time_limit=2, task_time_limit=3)
    arguments = (1, "2026-01-01T00:00:00+00:00")
    made = celery.amqp.create_task_message("some-id", "taskadmin.run", arguments)
    message = SimpleNamespace(delivery_info={}, properties={}, payload=made.body)

    request = LedgerRequest(
        message,
        app=celery,
        body=made.body,
        headers={**made.headers, "timelimit": given},
        decoded=True,
    )

    assert request.time_limits == (limit, limit)
    assert request.run_ids() == {1}


def test_a_hosts_own_tasks_are_as_it_configured_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings still apply to them, in messages and in workers."""
    routes = {"*": {"queue": "elsewhere", "routing_key": "key", "priority": 7}}
    celery = make_celery(
        task_routes=routes,
        task_queues=[Queue("elsewhere", Exchange("there", type="topic"), routing_key="there")],
        task_default_rate_limit="6/m",
        task_soft_time_limit=2,
        task_acks_late=True,
        task_annotations={"*": {"time_limit": 5}},
        task_serializer="pickle",
        accept_content=["json", "pickle"],
        task_compression="gzip",
        task_default_delivery_mode=1,
        task_queue_max_priority=10,
    )
    mine = celery.task(name="host.mine")(do_nothing)
    sent: list[Any] = []
    channel = celery.connection_for_write().channel()
    channel.basic_publish = lambda *arguments, **options: sent.append((arguments, options))

    mine.apply_async(producer=celery.amqp.Producer(channel, auto_declare=False))

    assert (mine.rate_limit, mine.time_limit) == ("6/m", 5)
    # Celery 5.5 leaves the limits of the configuration to the worker's pool.
    assert mine.soft_time_limit in (2, None)
    assert mine.acks_late is True
    [((message, *_), where)] = sent
    assert (where["exchange"], where["routing_key"]) == ("there", "key")
    assert message["content-type"] == "application/x-python-serialize"
    assert message["headers"]["compression"] == "application/x-gzip"
    assert message["properties"]["delivery_mode"] == 1
    assert message["priority" if "priority" in message else "properties"]
    assert celery.amqp.queues["elsewhere"].queue_arguments == {"x-max-priority": 10}


def test_messages_use_a_serializer_that_the_host_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers would refuse other content types."""
    celery = make_celery(task_serializer="pickle", accept_content=["pickle"])

    kinds = {message["content-type"] for *_, message in sent_by(celery, monkeypatch)}

    assert kinds == {"application/x-python-serialize"}


def test_a_hosts_signals_still_see_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals aren't settings."""
    seen: list[str] = []
    note: Callable[..., None] = lambda sender, **_: seen.append(sender)  # noqa: E731
    before_task_publish.connect(note)
    try:
        sent = sent_by(make_celery(), monkeypatch)
    finally:
        before_task_publish.disconnect(note)

    assert len(seen) == len(sent)
