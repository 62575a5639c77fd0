"""The job that measures the length of a queue."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from kombu import Connection, Queue

from fixture_types import MakeApp
from taskadmin.queue import RUNS_QUEUE
from taskadmin_site.jobs import queue_depth, queues


def test_depth_of_a_queue(make_app: MakeApp, broker_url: str, database: str) -> None:
    """Waiting messages are counted; an unknown queue isn't created."""
    app = make_app(CELERY={"broker_url": broker_url, "result_backend": "rpc://"})
    with Connection(broker_url) as connection, app.app_context():
        channel = connection.default_channel
        with pytest.raises(queues.NoSuchQueue, match=r"taskadmin\.nowhere"):
            queue_depth("taskadmin.nowhere")
        queue = Queue(RUNS_QUEUE, channel=channel, durable=True)
        queue.declare()
        assert queue_depth(RUNS_QUEUE) == 0
        for _ in range(3):
            connection.Producer().publish({}, routing_key=RUNS_QUEUE)
        deadline = time.monotonic() + 5
        while queue_depth(RUNS_QUEUE) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert queue_depth(RUNS_QUEUE) == 3
        queue.delete()


def test_depth_of_a_queue_in_memory(app: Flask) -> None:
    """It works with the in-memory broker of the demo."""
    with app.app_context(), pytest.raises(queues.NoSuchQueue):
        queue_depth("taskadmin.nowhere")
