"""Messages, copied from one that Celery creates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, signals

from taskadmin.jobs.random_number import GENERATE_RANDOM_NUMBER_JOB
from taskadmin.queue.celery_app.queues import RUNS_QUEUE
from taskadmin.queue.publishing.messages import Kind, Messages

KIND = Kind(GENERATE_RANDOM_NUMBER_JOB.celery_task, RUNS_QUEUE)
#: Properties that differ between two messages.
OWN = {"id", "root_id", "argsrepr"}

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def made(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Arguments of messages that Celery creates."""
    made: list[Any] = []
    task = celery.tasks[KIND.celery_task]
    create = task.apply_async

    def note(*positional: Any, **options: Any) -> Any:
        made.append(options["args"])
        return create(*positional, **options)

    monkeypatch.setattr(task, "apply_async", note)
    return made


def publish(celery: Celery, *runs: int) -> list[str]:
    """Publish a message per run; return the ids of their Celery tasks."""
    messages = Messages(celery)
    with celery.connection_for_write() as connection:
        producer = celery.amqp.Producer(connection.default_channel, auto_declare=False)
        return [
            messages.publish(producer, KIND, (run, "2026-01-01"), shown=f"run {run}")
            for run in runs
        ]


def received(celery: Celery) -> Iterator[Any]:
    """Take the messages from the queue."""
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[RUNS_QUEUE].bind(connection.default_channel)
        while message := queue.get(no_ack=True):
            yield message


def test_copies_equal_celerys_own_messages(celery: Celery, made: list[Any]) -> None:
    """Except for arguments and ids; Celery creates one message only."""
    ids = publish(celery, 1, 2)
    assert made == [()]
    celery.tasks[KIND.celery_task].apply_async(
        args=(3, "2026-01-01"), queue=RUNS_QUEUE, argsrepr="run 3", ignore_result=True
    )

    copies = list(received(celery))
    celerys = copies.pop()

    assert [one.payload[0] for one in copies] == [[1, "2026-01-01"], [2, "2026-01-01"]]
    assert [one.headers["id"] for one in copies] == ids
    assert [one.headers["argsrepr"] for one in copies] == ["run 1", "run 2"]
    for one in copies:
        assert one.payload[1:] == celerys.payload[1:]
        assert one.properties["correlation_id"] == one.headers["id"] == one.headers["root_id"]
        assert {name: value for name, value in one.headers.items() if name not in OWN} == {
            name: value for name, value in celerys.headers.items() if name not in OWN
        }


@pytest.mark.parametrize("reason", ["signal", "task_send_sent_event", "task_protocol"])
def test_celery_creates_each_message_if_something_depends_on_it(
    celery: Celery, made: list[Any], reason: str
) -> None:
    """With a host's signal handler, with events, and with protocol 1."""
    seen: list[str] = []

    def look(sender: str, **_: Any) -> None:
        seen.append(sender)

    if reason == "signal":
        signals.before_task_publish.connect(look, sender=KIND.celery_task)
    else:
        celery.conf[reason] = 1
    try:
        publish(celery, 1, 2)
    finally:
        signals.before_task_publish.disconnect(look, sender=KIND.celery_task)

    assert made == [(1, "2026-01-01"), (2, "2026-01-01")]
    assert seen == [KIND.celery_task] * (2 if reason == "signal" else 0)
